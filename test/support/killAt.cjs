// Loaded before a program: ends it with SIGKILL right before its Nth step on the file system, N from KILL_AT. A write is
// cut in the middle. Steps are what changes something: opening for writing, writing, chmod, fsync, close, rename, unlink.
const { promises } = require("node:fs")
const { syncBuiltinESMExports } = require("node:module")

let left = Number(process.env.KILL_AT)
const die = () => process.kill(process.pid, "SIGKILL")
const step = (half) => {
  left -= 1
  if (left > 0) return undefined
  if (half === undefined) die()
  return half
}

const { open, rename, unlink } = promises
const patched = new WeakSet()
promises.open = async (path, flags, mode) => {
  step()
  const handle = await open(path, flags, mode)
  const prototype = Object.getPrototypeOf(handle)
  if (!patched.has(prototype)) {
    patched.add(prototype)
    for (const name of ["chmod", "sync"]) {
      const original = prototype[name]
      prototype[name] = function (...args) {
        step()
        return original.apply(this, args)
      }
    }
    const { writeFile } = prototype
    prototype.writeFile = async function (bytes) {
      const half = step(bytes.subarray(0, bytes.byteLength / 2))
      if (half === undefined) return writeFile.call(this, bytes)
      await writeFile.call(this, half)
      die()
    }
  }
  // Each handle has its own.
  const { close } = handle
  handle.close = () => {
    step()
    return close.call(handle)
  }
  return handle
}
promises.rename = (from, to) => {
  step()
  return rename(from, to)
}
promises.unlink = (path) => {
  step()
  return unlink(path)
}
syncBuiltinESMExports()
