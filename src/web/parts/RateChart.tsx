/** Events of each second, as they come in. */
import { useEffect, useRef } from "preact/hooks"
import uPlot from "uplot"
import { rate, SECONDS } from "../Live.js"
import { theme } from "../Theme.js"

const HEIGHT = 180

export const RateChart = () => {
  const place = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const { current } = place
    if (current === null) return
    let plot: uPlot | undefined
    const data = (): uPlot.AlignedData => {
      const { at, counts } = rate.value
      return [counts.map((_, i) => at - counts.length + 1 + i), [...counts]]
    }
    const draw = () => {
      plot?.destroy()
      const color = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name)
      // Custom properties keep `light-dark()` as it is written: a colour of the page says which of the two it is.
      const probe = (name: string) => {
        current.style.color = `var(${name})`
        const found = getComputedStyle(current).color
        current.style.color = ""
        return found || color(name)
      }
      const axis = { stroke: probe("--soft"), grid: { stroke: probe("--line"), width: 1 }, ticks: { show: false } }
      plot = new uPlot(
        {
          width: current.clientWidth,
          height: HEIGHT,
          legend: { show: false },
          cursor: { show: false },
          scales: { y: { range: (_, __, max) => [0, Math.max(5, max)] } },
          axes: [axis, { ...axis, size: 50 }],
          series: [{}, { stroke: probe("--accent"), width: 1.5, points: { show: false } }]
        },
        data(),
        current
      )
    }
    draw()
    const resized = new ResizeObserver(() => plot?.setSize({ width: current.clientWidth, height: HEIGHT }))
    resized.observe(current)
    const ends = [rate.subscribe(() => plot?.setData(data())), theme.subscribe(draw)]
    return () => {
      for (const end of ends) end()
      resized.disconnect()
      plot?.destroy()
    }
  }, [])
  return <div class="chart" ref={place} role="img" aria-label={`Events per second, the last ${SECONDS / 60} minutes`} />
}
