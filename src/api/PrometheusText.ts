/**
 * Prometheus' text format, version 0.0.4: from Effect's metric registry, and from values that are looked up when asked.
 */
import type * as MetricLabel from "effect/MetricLabel"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"

/** What `GET /metrics` answers with. */
export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

export interface Sample {
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly value: number
}

/** All samples of one name. Labels must be of few values, which no client chooses. */
export interface Family {
  readonly name: string
  readonly help: string
  /** Default `gauge`. */
  readonly type?: "counter" | "gauge" | undefined
  readonly samples: ReadonlyArray<Sample>
}

const escapeHelp = (text: string): string => text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")
const escapeLabel = (text: string): string => escapeHelp(text).replace(/"/g, '\\"')

const number = (value: number): string => {
  if (Number.isNaN(value)) return "NaN"
  if (value === Number.POSITIVE_INFINITY) return "+Inf"
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value)
}

type Labels = ReadonlyArray<readonly [name: string, value: string]>

const line = (name: string, labels: Labels, value: number): string => {
  const inside = labels.map(([label, text]) => `${label}="${escapeLabel(text)}"`).join(",")
  return `${name}${inside === "" ? "" : `{${inside}}`} ${number(value)}\n`
}

const head = (name: string, type: string, help: string): string =>
  `${help === "" ? "" : `# HELP ${name} ${escapeHelp(help)}\n`}# TYPE ${name} ${type}\n`

/** Families in the order given. One without samples is left out. */
export const render = (families: ReadonlyArray<Family>): string => {
  let out = ""
  for (const { help, name, samples, type = "gauge" } of families) {
    if (samples.length === 0) continue
    out += head(name, type, help)
    for (const { labels = {}, value } of samples) out += line(name, Object.entries(labels), value)
  }
  return out
}

const labelsOf = (labels: ReadonlyArray<MetricLabel.MetricLabel>): Labels =>
  labels.map(({ key, value }) => [key, value])

/**
 * The metrics of a registry whose names begin with `prefix`, sorted by name. Counters get the `_total` that Prometheus
 * wants. Frequencies and summaries, whose labels are whatever was counted, are left out.
 */
export const fromRegistry = (pairs: ReadonlyArray<MetricPair.MetricPair.Untyped>, prefix: string): string => {
  const families = new Map<string, { readonly type: string; help: string; lines: string }>()
  for (const { metricKey, metricState } of pairs) {
    const { description, name: given, tags } = metricKey
    if (!given.startsWith(prefix)) continue
    const isCounter = MetricState.isCounterState(metricState)
    const name = isCounter && !given.endsWith("_total") ? `${given}_total` : given
    const type = isCounter ? "counter" : MetricState.isHistogramState(metricState) ? "histogram" : "gauge"
    const labels = labelsOf(tags)
    let lines = ""
    if (isCounter) lines = line(name, labels, Number(metricState.count))
    else if (MetricState.isGaugeState(metricState)) lines = line(name, labels, Number(metricState.value))
    else if (MetricState.isHistogramState(metricState)) {
      for (const [boundary, count] of metricState.buckets) {
        // Effect adds the last one where it is not given.
        if (boundary === Number.POSITIVE_INFINITY) continue
        lines += line(`${name}_bucket`, [...labels, ["le", number(boundary)]], count)
      }
      lines += line(`${name}_bucket`, [...labels, ["le", "+Inf"]], metricState.count)
      lines += line(`${name}_sum`, labels, metricState.sum) + line(`${name}_count`, labels, metricState.count)
    } else continue
    const family = families.get(name) ?? { type, help: "", lines: "" }
    if (family.help === "" && description._tag === "Some") family.help = description.value
    family.lines += lines
    families.set(name, family)
  }
  return [...families]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { help, lines, type }]) => head(name, type, help) + lines)
    .join("")
}
