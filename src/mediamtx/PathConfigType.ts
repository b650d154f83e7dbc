/**
 * The type of `pathDefaults`, of one entry of `paths`, and of `paths` itself.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { describe, type FieldType, isObject, type Problem, problem, record, type ValueOf } from "./FieldType.js"
import { pathFields } from "./PathFields.js"
import { pathNameProblem } from "./PathName.js"

type PathTypes = { readonly [K in keyof typeof pathFields]: (typeof pathFields)[K]["type"] }

const types = Object.fromEntries(
  Object.entries(pathFields).map(([name, row]) => [name, row.type])
  // Exactly the rows of the table, each replaced by its type.
) as unknown as PathTypes

/**
 * @since 0.1.0
 * @category types
 */
export const PathConfigType = record({ name: "path", typescript: "PathConfig" }, types)

/**
 * @since 0.1.0
 * @category types
 */
export const PathsType: FieldType<Readonly<Record<string, ValueOf<typeof PathConfigType> | null>>> = {
  name: "paths by name",
  json: "object",
  typescript: "Readonly<Record<string, PathConfig | null>>",
  schema: Schema.Record({
    key: Schema.String.pipe(Schema.filter((name) => pathNameProblem(name)?.message)),
    value: Schema.NullOr(PathConfigType.schema)
  }),
  check: (value) => {
    if (!isObject(value))
      return problem("wrong-type", `is ${describe(value)}`, "an object, each key the name of a path")
    let problems: ReadonlyArray<Problem> | undefined
    for (const [name, path] of Object.entries(value)) {
      const named = pathNameProblem(name)
      const found = path === null || path === undefined ? undefined : PathConfigType.check(path)
      if (named === undefined && found === undefined) continue
      problems = [
        ...(problems ?? []),
        ...(named === undefined ? [] : [named]),
        ...(found ?? []).map((item) => ({ ...item, at: [name, ...item.at] }))
      ]
    }
    return problems
  },
  onNull: "unset",
  secret: false
}
