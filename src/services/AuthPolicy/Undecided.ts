/**
 * Denials that say nothing of who asks: a server that does not answer, a policy that failed. Whoever counts failed logins
 * leaves them out, or an outage of a minute would lock everybody out for longer.
 *
 * @since 0.1.0
 */
const mark: unique symbol = Symbol.for("mtx-manager/AuthPolicy/Undecided")

/**
 * Marks a denial as one that was made because nothing could be decided. It looks the same otherwise.
 *
 * @since 0.1.0
 * @category constructors
 */
export const undecided = <Decision extends object>(decision: Decision): Decision =>
  Object.defineProperty(decision, mark, { value: true })

/**
 * Whether it is such a denial.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isUndecided = (decision: object): boolean => mark in decision
