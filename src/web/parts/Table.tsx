/** A table of what is there right now, which is never long: for long ones there is `VirtualList`. */
import type { ComponentChildren } from "preact"
import { showNumber } from "../Format.js"
import { Scroll } from "./Scroll.js"

export interface TableColumn<A> {
  /** Empty for the column of what can be done with a row. */
  readonly head: string
  readonly cell: (row: A) => ComponentChildren
}

const MOST = 200

export const Table = <A,>(props: {
  readonly rows: ReadonlyArray<A>
  readonly columns: ReadonlyArray<TableColumn<A>>
  readonly keyOf: (row: A) => string | number
  /** What is said when there are no rows. */
  readonly empty: ComponentChildren
  /** Rows that are shown (default 200); of the others, how many there are. */
  readonly most?: number
}) => {
  const { columns, empty, keyOf, most = MOST, rows } = props
  if (rows.length === 0) return <p class="soft">{empty}</p>
  return (
    <Scroll>
      <table>
        <thead>
          <tr>
            {columns.map(({ head }) => (
              <th scope="col" key={head}>
                {head === "" ? <span class="hidden">Actions</span> : head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, most).map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ cell, head }) => (
                <td key={head}>{cell(row)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > most && <p class="soft">and {showNumber(rows.length - most)} more</p>}
    </Scroll>
  )
}
