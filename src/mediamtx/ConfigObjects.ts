/**
 * The objects inside lists of the config: users, permissions, ICE servers, tracks, forward destinations.
 *
 * @since 0.1.0
 */
import { ConfigAuthAction, TrackCodec } from "./ConfigEnums.js"
import { Credential } from "./Credential.js"
import { boolean, int, list, type Problem, record, secretText, text } from "./FieldType.js"
import { IpNetwork } from "./IpNetwork.js"

/**
 * One action, on every path, on one path, or on those that match `~` and a regular expression.
 *
 * @since 0.1.0
 * @category types
 */
export const AuthPermissionType = record(
  { name: "permission", typescript: "AuthPermission" },
  { action: ConfigAuthAction, path: text }
)

/**
 * A user of the internal list. The user `any` is everybody and has no password.
 *
 * @since 0.1.0
 * @category types
 */
export const AuthInternalUserType = record(
  { name: "user", typescript: "AuthInternalUser" },
  { user: Credential, pass: Credential, ips: list(IpNetwork), permissions: list(AuthPermissionType) }
)

/**
 * A STUN or TURN server. With the user name `AUTH_SECRET` the password is a shared secret.
 *
 * @since 0.1.0
 * @category types
 */
export const IceServerType = record(
  { name: "ICE server", typescript: "IceServer" },
  { url: text, username: text, password: secretText, clientOnly: boolean }
)

/**
 * Another server that a path's stream is sent on to.
 *
 * @since 0.1.0
 * @category types
 */
export const ForwardDestinationType = record(
  { name: "forward destination", typescript: "ForwardDestination" },
  { dest: secretText, destFingerprint: text, whipBearerToken: secretText }
)

const trackProblem = (at: string, message: string, expected: string): ReadonlyArray<Problem> => [
  { at: [at], rule: "always-available-track", message, expected }
]

/** Audio that is described by its format needs the format; all the rest must not have one. */
const checkTrack = (track: Readonly<Record<string, unknown>>): ReadonlyArray<Problem> | undefined => {
  const { codec } = track
  const sampleRate = typeof track["sampleRate"] === "number" ? track["sampleRate"] : 0
  const channelCount = typeof track["channelCount"] === "number" ? track["channelCount"] : 0
  if (codec === undefined || codec === null) return trackProblem("codec", "is missing", "one of the codecs")
  const least = codec === "MPEG4Audio" ? 22050 : codec === "G711" || codec === "LPCM" ? 8000 : undefined
  if (least === undefined) {
    const problems: Array<Problem> = []
    const none = `nothing, as ${String(codec)} has no such setting`
    if (sampleRate !== 0) problems.push(...trackProblem("sampleRate", "is set", none))
    if (channelCount !== 0) problems.push(...trackProblem("channelCount", "is set", none))
    return problems.length === 0 ? undefined : problems
  }
  const problems: Array<Problem> = []
  if (sampleRate < least) {
    problems.push(
      ...trackProblem(
        "sampleRate",
        sampleRate === 0 ? "is missing" : `is ${sampleRate}`,
        `at least ${least} with ${String(codec)}`
      )
    )
  }
  if (channelCount === 0) {
    problems.push(...trackProblem("channelCount", "is missing", `the number of channels, with ${String(codec)}`))
  }
  return problems.length === 0 ? undefined : problems
}

/**
 * A track of the picture and sound that stand in while a stream is away.
 *
 * @since 0.1.0
 * @category types
 */
export const AlwaysAvailableTrackType = record(
  { name: "track", typescript: "AlwaysAvailableTrack", check: checkTrack },
  { codec: TrackCodec, sampleRate: int, channelCount: int, muLaw: boolean }
)
