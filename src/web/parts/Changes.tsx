/** Fields that differ, as what was and what is. */
import { showValue } from "../Format.js"
import { Scroll } from "./Scroll.js"

export const Changes = (props: {
  readonly changes: ReadonlyArray<{ readonly field: string; readonly before: unknown; readonly after: unknown }>
}) => {
  const { changes } = props
  if (changes.length === 0) return <p class="soft">Nothing differs.</p>
  return (
    <Scroll>
      <table>
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          {changes.slice(0, 200).map(({ after, before, field }) => (
            <tr key={field}>
              <td>
                <code>{field}</code>
              </td>
              <td>
                <del>{showValue(before)}</del>
              </td>
              <td>
                <ins>{showValue(after)}</ins>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {changes.length > 200 && <p class="soft">and {changes.length - 200} more</p>}
    </Scroll>
  )
}
