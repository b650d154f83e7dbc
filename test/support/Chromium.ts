/**
 * A real browser for tests: the one that `CHROMIUM_BIN` names, or that is on the PATH. None is ever downloaded; without one
 * every test that needs it is skipped, and says so loudly.
 */
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import { type Browser, chromium } from "playwright-core"
import { describe } from "vitest"

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]

const executable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export const chromiumBin: string | undefined =
  process.env["CHROMIUM_BIN"] ??
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find(executable)

/** `describe` for suites that need a browser. */
export const describeChromium = (name: string, body: (launch: () => Promise<Browser>) => void): void => {
  if (chromiumBin === undefined || chromiumBin === "") {
    console.warn(`\n  SKIPPED: "${name}" needs a browser. Install chromium, or set CHROMIUM_BIN=/path/to/it.\n`)
    describe.skip(name, () => body(() => Promise.reject(new Error("no browser"))))
    return
  }
  describe(name, () =>
    body(() =>
      chromium.launch({
        executablePath: chromiumBin,
        // In containers there is no user namespace for the sandbox and little shared memory.
        args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        timeout: 60_000
      })
    )
  )
}
