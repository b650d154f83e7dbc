/** Answers `DecisionsApi`. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { parseConfigText } from "../mediamtx/ConfigDocument.js"
import { formatField } from "../mediamtx/ConfigIssue.js"
import { parseIpNetwork } from "../mediamtx/IpNetwork.js"
import type { SourcePosition } from "../mediamtx/IssueText.js"
import * as IpSet from "../services/AuthPolicy/IpSet.js"
import * as PathPattern from "../services/AuthPolicy/PathPattern.js"
import { AuthPolicy } from "../services/AuthPolicy.js"
import { type DecisionFilter, DecisionLog, type DecisionPage } from "../services/DecisionLog.js"
import * as PolicyDryRun from "../services/PolicyDryRun.js"
import { Conflict, type InvalidRequest, type RequestIssue } from "./ApiError.js"
import type { DecisionsParams, DryRunRequest } from "./DecisionsApi.js"
import { Draining } from "./Draining.js"
import { ManagerApi } from "./ManagerApi.js"
import { LONGEST_WAIT } from "./PlaybackApi.js"
import { expectedOf, invalid, placed } from "./RequestIssues.js"

/** What comes within this time of the first that a follower waits for comes with it: a storm is not an answer each. */
const GATHER = Duration.millis(200)

const filterOf = (params: DecisionsParams): Either.Either<DecisionFilter, InvalidRequest> => {
  const { action, ip, node, outcome, path, prompt, protocol, rule, since, until, user } = params
  const issues: Array<RequestIssue> = []
  const pattern = path === undefined ? undefined : PathPattern.parse(path)
  if (pattern !== undefined && Either.isLeft(pattern)) {
    issues.push({
      field: "path",
      message: pattern.left,
      expected: "a path, or a pattern such as cams/* or ~^cam[0-9]+$"
    })
  }
  const network = ip === undefined ? undefined : parseIpNetwork(ip)
  if (ip !== undefined && network === undefined) {
    issues.push({ field: "ip", message: "is not valid", expected: "an IP address or a network such as 10.0.0.0/8" })
  }
  if (issues.length > 0) return Either.left(invalid("request", issues))
  const addresses = network === undefined ? undefined : IpSet.make([network])
  return Either.right({
    ...{ action, node, outcome, prompt, protocol, rule, since, until, user },
    path:
      pattern === undefined || Either.isLeft(pattern) ? undefined : (name) => PathPattern.matches(pattern.right, name),
    ip: addresses === undefined ? undefined : (address) => addresses.has(IpSet.read(address))
  })
}

/** The rules of a dry run as data, where they stand, and where that is in a text. */
interface Given {
  readonly value: unknown
  readonly at: ReadonlyArray<string>
  readonly positionOf: (field: ReadonlyArray<string>) => SourcePosition | undefined
}

const given = ({ auth }: DryRunRequest): Either.Either<Given, InvalidRequest> => {
  if (typeof auth !== "string") return Either.right({ value: auth, at: ["auth"], positionOf: () => undefined })
  const parsed = parseConfigText(auth)
  if (Either.isLeft(parsed)) {
    return Either.left(
      invalid(
        "rules",
        parsed.left.issues.map(({ hint, message, ...position }) => ({
          field: "auth",
          message: placed(message, position),
          expected: hint ?? "YAML"
        }))
      )
    )
  }
  const { positionOf, value } = parsed.right
  return Either.right(
    Predicate.hasProperty(value, "auth")
      ? { value: value["auth"], at: ["auth"], positionOf }
      : { value, at: [], positionOf }
  )
}

export const decisionsGroup = HttpApiBuilder.group(ManagerApi, "decisions", (handlers) =>
  Effect.gen(function* () {
    const log = yield* DecisionLog
    const policy = yield* AuthPolicy
    const draining = yield* Draining

    const follow = (after: string, filter: DecisionFilter, params: DecisionsParams): Effect.Effect<DecisionPage> => {
      const now = log.since(after, filter, params.limit)
      const wait = Math.min(params.wait ?? 0, LONGEST_WAIT)
      if (wait === 0) return now
      const something = (from: string): Effect.Effect<DecisionPage> =>
        Effect.flatMap(log.since(from, filter, params.limit), (page) =>
          page.decisions.length > 0
            ? Effect.succeed(page)
            : log
                .changed(page.follow)
                .pipe(
                  Effect.zipRight(Effect.sleep(GATHER)),
                  Effect.zipRight(Effect.suspend(() => something(page.follow)))
                )
        )
      return something(after).pipe(
        Effect.raceFirst(Effect.as(draining.wait, undefined)),
        Effect.timeoutOption(Duration.seconds(wait)),
        Effect.flatMap((found) => {
          const page = Option.getOrUndefined(found)
          return page === undefined ? now : Effect.succeed(page)
        })
      )
    }

    return handlers
      .handle("list", ({ urlParams }) =>
        Effect.gen(function* () {
          const filter = yield* filterOf(urlParams)
          const { after, cursor, limit } = urlParams
          return yield* after === undefined ? log.page(filter, { limit, cursor }) : follow(after, filter, urlParams)
        })
      )
      .handle("dryRun", ({ payload }) =>
        Effect.gen(function* () {
          if (policy.rules === undefined) {
            return yield* new Conflict({
              message: "this manager does not decide by auth rules alone: PolicyDryRun.run tries a policy in code"
            })
          }
          const { at, positionOf, value } = yield* given(payload)
          const candidate = yield* policy.rules.candidate(value, at).pipe(
            Effect.mapError(({ issues }) =>
              invalid(
                "rules",
                issues.map((issue) => ({
                  field: formatField(issue.field),
                  message: placed(issue.message, positionOf(issue.field)),
                  expected: expectedOf(issue)
                }))
              )
            )
          )
          const records = yield* log.all({ since: payload.since, until: payload.until })
          return yield* PolicyDryRun.rules(candidate, records, { limit: payload.limit })
        })
      )
  })
)
