/** Reads Prometheus' text format strictly, written from its specification and not from what prints it. */

export interface Scrape {
  /** Type by name of the family. */
  readonly types: ReadonlyMap<string, string>
  readonly helps: ReadonlyMap<string, string>
  /** Value by `name{label="value",...}`, labels in order of their names. */
  readonly samples: ReadonlyMap<string, number>
}

const nameOf = /^[a-zA-Z_:][a-zA-Z0-9_:]*/
const labelOf = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,?)/

/** Throws where Prometheus would refuse the text, and where families are torn apart or samples come twice. */
export const parsePrometheus = (text: string): Scrape => {
  const types = new Map<string, string>()
  const helps = new Map<string, string>()
  const samples = new Map<string, number>()
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line has no end")
  const closed = new Set<string>()
  let current = ""
  const enter = (name: string) => {
    if (name === current) return
    if (closed.has(name)) throw new Error(`${name} is torn apart`)
    if (current !== "") closed.add(current)
    current = name
  }
  for (const line of text.split("\n")) {
    if (line === "") continue
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line)
    if (comment !== null) {
      const [, kind, name = "", rest = ""] = comment
      enter(name)
      const into = kind === "HELP" ? helps : types
      if (into.has(name)) throw new Error(`${name} has two lines of ${kind}`)
      into.set(name, rest)
      continue
    }
    if (line.startsWith("#")) throw new Error(`a comment that is neither HELP nor TYPE: ${line}`)
    const name = nameOf.exec(line)?.[0] ?? ""
    let rest = line.slice(name.length)
    const labels: Array<string> = []
    if (rest.startsWith("{")) {
      rest = rest.slice(1)
      for (let label = labelOf.exec(rest); label !== null; label = labelOf.exec(rest)) {
        labels.push(`${label[1]}="${label[2]}"`)
        rest = rest.slice(label[0].length)
      }
      if (!rest.startsWith("}")) throw new Error(`bad labels: ${line}`)
      rest = rest.slice(1)
    }
    if (name === "" || !/^ (?:[-+]?[0-9.]+(?:e[-+]?[0-9]+)?|NaN|[-+]Inf)$/.test(rest)) {
      throw new Error(`not a sample: ${line}`)
    }
    const family = types.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, "")
    if (!types.has(family)) throw new Error(`${name} has no TYPE`)
    enter(family)
    const key = labels.length === 0 ? name : `${name}{${labels.sort().join(",")}}`
    if (samples.has(key)) throw new Error(`${key} is there twice`)
    samples.set(key, Number(rest.trim().replace("Inf", "Infinity")))
  }
  return { types, helps, samples }
}
