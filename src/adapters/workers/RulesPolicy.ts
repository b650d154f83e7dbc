/** Auth rules as a value, for a manager on Workers. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Argon2, Argon2Unavailable } from "../../services/AuthPolicy/Argon2.js"
import * as AuthRules from "../../services/AuthPolicy/AuthRules.js"
import type { AuthRulesInput } from "../../services/AuthPolicy/AuthRulesDocument.js"
import type { AuthPolicyShape } from "../../services/AuthPolicy.js"

/** The runtime compiles no WebAssembly: said at once, not when somebody logs in. */
const noArgon2 = Layer.succeed(Argon2, {
  hash: () => Effect.fail(new Argon2Unavailable({ cause: "Workers compile no WebAssembly" }))
})

/**
 * The policy of a rules document, for `auth`: who may do what, by names, addresses and paths.
 *
 * Secrets are `plain:` or `sha256:`. `argon2:` is refused, since Workers can't compute it: make long random secrets, for
 * which `sha256:` is as good.
 *
 * @throws InvalidAuthRules
 * @example
 * ```ts
 * manager({
 *   base, key, config,
 *   auth: rules({ users: [{ name: "cam", secret: "sha256:…" }], rules: [{ allow: ["publish"], users: ["cam"] }] })
 * })
 * ```
 */
export const rules = (document: AuthRulesInput): AuthPolicyShape => {
  // It holds nothing but checks that are under way, and lives as long as the Worker does.
  const scope = Effect.runSync(Scope.make())
  const made = Effect.runSync(
    AuthRules.make(document, { at: [] }).pipe(
      Effect.provide(noArgon2),
      Effect.provideService(Scope.Scope, scope),
      Effect.either
    )
  )
  return Either.getOrThrowWith(made, (error) => error)
}
