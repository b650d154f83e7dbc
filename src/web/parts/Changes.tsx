/** Fields that differ, as what was and what is. */
import { showValue } from "../Format.js"
import { Table, type TableColumn } from "./Table.js"

interface Change {
  readonly field: string
  readonly before: unknown
  readonly after: unknown
}

const columns: ReadonlyArray<TableColumn<Change>> = [
  { head: "Field", cell: ({ field }) => <code>{field}</code> },
  { head: "Before", cell: ({ before }) => <del>{showValue(before)}</del> },
  { head: "After", cell: ({ after }) => <ins>{showValue(after)}</ins> }
]

export const Changes = ({ changes }: { readonly changes: ReadonlyArray<Change> }) => (
  <Table rows={changes} columns={columns} keyOf={({ field }) => field} empty="Nothing differs." />
)
