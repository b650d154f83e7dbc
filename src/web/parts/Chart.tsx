/** Lines over the last minutes, drawn by uPlot, in the colours of the theme. */
import { useEffect, useRef } from "preact/hooks"
import uPlot from "uplot"
import type { Store } from "../Store.js"
import { theme } from "../Theme.js"

const HEIGHT = 180

export interface Line {
  /** A custom property of the style sheet. */
  readonly color: string
  /** Told apart without colours. */
  readonly dash?: ReadonlyArray<number>
}

export const Chart = (props: {
  readonly label: string
  /** What it is drawn anew after. */
  readonly source: Store<unknown>
  /** Seconds since 1970, and a list of values for each line. */
  readonly data: () => uPlot.AlignedData
  readonly lines: ReadonlyArray<Line>
  /** The axis reaches this far at least. */
  readonly least: number
  readonly show: (value: number) => string
  /** Width of what stands at the axis. */
  readonly axis: number
}) => {
  const place = useRef<HTMLDivElement>(null)
  const { axis: size, data, least, lines, show, source } = props
  useEffect(() => {
    const { current } = place
    if (current === null) return
    let plot: uPlot | undefined
    const draw = () => {
      plot?.destroy()
      // Custom properties keep `light-dark()` as it is written: a colour of the page says which of the two it is.
      const color = (name: string) => {
        current.style.color = `var(${name})`
        const found = getComputedStyle(current).color
        current.style.color = ""
        return found
      }
      const axis = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } }
      plot = new uPlot(
        {
          width: current.clientWidth,
          height: HEIGHT,
          legend: { show: false },
          cursor: { show: false },
          scales: { y: { range: (_, __, max) => [0, Math.max(least, max)] } },
          axes: [axis, { ...axis, size, values: (_, ticks) => ticks.map(show) }],
          series: [
            {},
            ...lines.map((line) => ({
              stroke: color(line.color),
              width: 1.5,
              points: { show: false },
              ...(line.dash === undefined ? {} : { dash: [...line.dash] })
            }))
          ]
        },
        data(),
        current
      )
    }
    draw()
    const resized = new ResizeObserver(() => plot?.setSize({ width: current.clientWidth, height: HEIGHT }))
    resized.observe(current)
    const ends = [source.subscribe(() => plot?.setData(data())), theme.subscribe(draw)]
    return () => {
      for (const end of ends) end()
      resized.disconnect()
      plot?.destroy()
    }
  }, [data, least, lines, show, size, source])
  return <div class="chart" ref={place} role="img" aria-label={props.label} />
}
