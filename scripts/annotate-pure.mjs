// Marks the calls that modules make while they load as pure, so that a bundler leaves out the schemas, services and layers
// that an app does not use. Nothing of this package does anything by being imported (package.json says so of whole modules);
// bundlers can't know that of a call in a module that they keep.
//
//   node scripts/annotate-pure.mjs [FOLDER]     rewrites the .js files of a folder, dist unless told otherwise
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { argv } from "node:process"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const MARK = "/* @__PURE__ */ "

/** The text of a module, of JavaScript or TypeScript, with the marks. Marks that it has stay as they are. */
export const annotatePure = (name, text) => {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.ES2024, true)
  const places = new Set()
  const visit = (node) => {
    // What is inside of a function runs later, if at all.
    if (ts.isFunctionLike(node)) return
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) places.add(node.getStart(source))
    ts.forEachChild(node, visit)
  }
  for (const statement of source.statements) {
    if (ts.isVariableStatement(statement)) {
      for (const { initializer } of statement.declarationList.declarations) if (initializer) visit(initializer)
    } else if (ts.isClassDeclaration(statement)) {
      statement.heritageClauses?.forEach(visit)
      for (const member of statement.members) {
        const { initializer } = member
        if (initializer && member.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword))
          visit(initializer)
      }
    }
  }
  let out = ""
  let last = 0
  for (const place of [...places].sort((a, b) => a - b)) {
    const before = text.slice(last, place)
    out += before.endsWith(MARK) ? before : before + MARK
    last = place
  }
  return out + text.slice(last)
}

if (resolve(argv[1] ?? "") === fileURLToPath(import.meta.url)) {
  const folder = argv[2] ?? fileURLToPath(new URL("../dist", import.meta.url))
  for (const path of readdirSync(folder, { recursive: true })) {
    // The sidecars are bundles already.
    if (!path.endsWith(".js") || path.startsWith("sidecar") || path.startsWith("web")) continue
    const file = join(folder, path)
    const text = readFileSync(file, "utf8")
    const marked = annotatePure(path, text)
    if (marked !== text) writeFileSync(file, marked)
  }
}
