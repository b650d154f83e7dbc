/**
 * How a node knows that it has a whole config: its last line.
 *
 * @since 0.1.0
 */

/**
 * The last line of every config that the manager gives out.
 *
 * @since 0.1.0
 * @category models
 */
export const END_MARKER = "# end of mtx-manager config"
