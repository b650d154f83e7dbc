/** What is recorded, on a line of time: a window is chosen by dragging across it. */
import { useRef, useState } from "preact/hooks"
import { showDateTime, showDuration } from "../Format.js"
import type { Timeline as Recorded } from "../Wire.js"

const WIDTH = 1000
const HEAD = 24
const ROW = 22

export interface Window {
  readonly start: number
  readonly end: number
}

export const Timeline = (props: {
  readonly recorded: Recorded
  readonly from: number
  readonly to: number
  readonly window: Window | undefined
  readonly onWindow: (window: Window) => void
}) => {
  const { from, onWindow, recorded, to, window } = props
  const svg = useRef<SVGSVGElement>(null)
  const [anchor, setAnchor] = useState<number | undefined>(undefined)
  const x = (time: number) => ((Math.min(to, Math.max(from, time)) - from) / (to - from)) * WIDTH
  const timeAt = (clientX: number) => {
    const box = svg.current?.getBoundingClientRect()
    if (box === undefined || box.width === 0) return from
    return from + Math.min(1, Math.max(0, (clientX - box.left) / box.width)) * (to - from)
  }
  const height = HEAD + ROW * (recorded.nodes.length + 1) + 20
  const bar = (start: string, end: string, y: number, className: string) => (
    <rect
      key={`${className} ${start}`}
      class={className}
      x={x(Date.parse(start))}
      y={y}
      width={Math.max(1, x(Date.parse(end)) - x(Date.parse(start)))}
      height={ROW - 6}
    >
      <title>
        {className.startsWith("gap") ? "nothing recorded" : "recorded"}: {showDateTime(start)} – {showDateTime(end)},{" "}
        {showDuration(Date.parse(end) - Date.parse(start))}
      </title>
    </rect>
  )
  const drag = (clientX: number, since: number) => {
    const at = timeAt(clientX)
    onWindow({ start: Math.min(since, at), end: Math.max(since, at) })
  }
  return (
    <svg
      ref={svg}
      class="timeline"
      viewBox={`0 0 ${WIDTH} ${height}`}
      preserveAspectRatio="none"
      height={height}
      role="img"
      aria-label={`${recorded.spans.length} recorded stretches and ${recorded.gaps.length} gaps; the fields below choose a window as well`}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        setAnchor(timeAt(event.clientX))
      }}
      onPointerMove={(event) => {
        if (anchor !== undefined) drag(event.clientX, anchor)
      }}
      onPointerUp={(event) => {
        if (anchor !== undefined && Math.abs(timeAt(event.clientX) - anchor) > 0) drag(event.clientX, anchor)
        setAnchor(undefined)
      }}
    >
      <defs>
        <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect class="hatch-line" width="2" height="6" />
        </pattern>
      </defs>
      <rect class="back" x="0" y={HEAD} width={WIDTH} height={ROW - 6} />
      {recorded.gaps.map(({ end, start }) => bar(start, end, HEAD, "gap"))}
      {recorded.spans.map(({ end, open, start }) => bar(start, end, HEAD, open ? "span open" : "span"))}
      {recorded.nodes.map(({ spans }, i) =>
        spans.map(({ end, open, start }) => bar(start, end, HEAD + ROW * (i + 1), open ? "span open" : "span"))
      )}
      {window !== undefined && (
        <rect
          class="window"
          x={x(window.start)}
          y="2"
          width={Math.max(2, x(window.end) - x(window.start))}
          height={height - 4}
        />
      )}
    </svg>
  )
}
