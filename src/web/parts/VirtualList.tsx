/**
 * A list of any length of which only what is in sight is in the page. To assistive technology it is a table that says how
 * many rows there are.
 */
import type { ComponentChildren } from "preact"
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks"

const ROW = 36
const BEYOND = 8

export interface Column<A> {
  readonly head: string
  /** As a track of a CSS grid. */
  readonly width: string
  /** Left out on phones. */
  readonly wide?: boolean
  readonly cell: (row: A) => ComponentChildren
}

export const VirtualList = <A,>(props: {
  readonly label: string
  readonly rows: ReadonlyArray<A>
  readonly columns: ReadonlyArray<Column<A>>
  readonly keyOf: (row: A) => string | number
  readonly empty: string
}) => {
  const { columns, empty, keyOf, label, rows } = props
  const list = useRef<HTMLDivElement>(null)
  const body = useRef<HTMLDivElement>(null)
  const [top, setTop] = useState(0)
  const [height, setHeight] = useState(400)

  useLayoutEffect(() => {
    const { current } = list
    if (current === null) return
    const wide = columns.map(({ width }) => width).join(" ")
    current.style.setProperty("--columns", wide)
    current.style.setProperty(
      "--narrow",
      columns
        .filter((column) => column.wide !== true)
        .map(({ width }) => width)
        .join(" ")
    )
  }, [columns])

  useEffect(() => {
    const measure = () => setHeight(Math.max(200, Math.min(640, innerHeight - 260)))
    measure()
    addEventListener("resize", measure)
    return () => removeEventListener("resize", measure)
  }, [])

  // The head ends where the rows do, whatever a scroll bar takes.
  useLayoutEffect(() => {
    const bar = (body.current?.offsetWidth ?? 0) - (body.current?.clientWidth ?? 0)
    list.current?.style.setProperty("--bar", `${bar}px`)
  }, [rows.length, height])

  const shownHeight = Math.min(height, Math.max(1, rows.length) * ROW)
  const first = Math.max(0, Math.floor(top / ROW) - BEYOND)
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW) + BEYOND)
  const visible = rows.slice(first, last)

  return (
    // biome-ignore lint/a11y/useSemanticElements: rows of a real table can't be placed where they are scrolled to
    <div class="list" role="table" aria-label={label} aria-rowcount={rows.length + 1} ref={list}>
      {/* biome-ignore lint/a11y/useSemanticElements: as above */}
      <div role="rowgroup">
        {/* biome-ignore lint/a11y/useSemanticElements: as above */}
        {/* biome-ignore lint/a11y/useFocusableInteractive: nothing can be done with it */}
        <div class="list-head" role="row" aria-rowindex={1}>
          {columns.map(({ head, wide }) => (
            // biome-ignore lint/a11y/useSemanticElements: as above
            // biome-ignore lint/a11y/useFocusableInteractive: nothing can be done with it
            <div role="columnheader" class={wide === true ? "wide" : undefined} key={head}>
              {head}
            </div>
          ))}
        </div>
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: as above */}
      <div
        class="list-body"
        role="rowgroup"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by the keyboard
        tabIndex={0}
        aria-label={label}
        ref={body}
        style={{ height: `${shownHeight}px` }}
        onScroll={() => setTop(body.current?.scrollTop ?? 0)}
      >
        <div class="list-space" role="presentation" style={{ height: `${Math.max(1, rows.length) * ROW}px` }}>
          {rows.length === 0 && (
            // biome-ignore lint/a11y/useSemanticElements: as above
            // biome-ignore lint/a11y/useFocusableInteractive: nothing can be done with it
            <div class="list-row" role="row">
              {/* biome-ignore lint/a11y/useSemanticElements: as above */}
              <div role="cell" class="soft">
                {empty}
              </div>
            </div>
          )}
          {visible.map((row, index) => (
            // biome-ignore lint/a11y/useSemanticElements: as above
            // biome-ignore lint/a11y/useFocusableInteractive: nothing can be done with it
            <div
              class="list-row"
              role="row"
              key={keyOf(row)}
              aria-rowindex={first + index + 2}
              style={{ top: `${(first + index) * ROW}px` }}
            >
              {columns.map(({ cell, head, wide }) => (
                // biome-ignore lint/a11y/useSemanticElements: as above
                <div role="cell" class={wide === true ? "wide" : undefined} key={head}>
                  {cell(row)}
                </div>
              ))}
            </div>
          ))}
        </div>
      </div>
    </div>
  )
}
