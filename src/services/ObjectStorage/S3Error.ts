/** What an S3 server's refusals mean, in words of our own: what is wrong and what would be right. */
import { ObjectStorageError } from "../ObjectStorage.js"

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" }

/** The text of the first element of this name. S3's answers are flat and small: no parser needed. */
export const xmlText = (xml: string, name: string): string | undefined =>
  new RegExp(`<${name}(?:\\s[^>]*)?>([^<]*)</${name}>`)
    .exec(xml)?.[1]
    ?.replace(/&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));/g, (whole, decimal, hex, named) => {
      const code = decimal !== undefined ? Number(decimal) : hex !== undefined ? Number.parseInt(hex, 16) : undefined
      if (code === undefined) return entities[named] ?? whole
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole
    })

export const escapeXml = (text: string): string =>
  text.replace(/[<>&"]/g, (c) => `&${c === "<" ? "lt" : c === ">" ? "gt" : c === "&" ? "amp" : "quot"};`)

/** A refusal as it came over the wire. */
export interface S3Refusal {
  readonly status: number
  readonly body: string
  /** The `Date` header. */
  readonly date: string | undefined
  /** The `x-amz-bucket-region` header. */
  readonly region: string | undefined
}

export interface S3Asked {
  /** What was being done, for the message: `read clips/a.mp4`. */
  readonly what: string
  readonly bucket: string
  readonly region: string
  /** Epoch milliseconds of this machine. */
  readonly now: number
}

const minutes = (milliseconds: number): string => {
  const whole = Math.round(Math.abs(milliseconds) / 60_000)
  return whole === 1 ? "1 minute" : `${whole} minutes`
}

const skew = (refusal: S3Refusal, now: number): string => {
  const theirs = Date.parse(xmlText(refusal.body, "ServerTime") ?? refusal.date ?? "")
  const advice = "set this machine's clock by NTP; signatures are refused when clocks differ by more than 15 minutes"
  if (Number.isNaN(theirs)) return `the clocks of this machine and of the storage differ too much: ${advice}`
  const difference = now - theirs
  return (
    `this machine's clock is ${minutes(difference)} ${difference > 0 ? "ahead of" : "behind"} the storage's ` +
    `(${new Date(now).toISOString()} here, ${new Date(theirs).toISOString()} there): ${advice}`
  )
}

type Reason = ObjectStorageError["reason"]

const judge = (code: string, refusal: S3Refusal, asked: S3Asked): readonly [Reason, string] => {
  const { status } = refusal
  switch (code) {
    case "RequestTimeTooSkewed":
    case "RequestExpired":
      return ["ClockSkew", skew(refusal, asked.now)]
    case "SignatureDoesNotMatch":
    case "XAmzContentSHA256Mismatch":
      return [
        "SignatureMismatch",
        "the signature does not match: check secretAccessKey, and that no proxy on the way changes the host, path or headers"
      ]
    case "InvalidAccessKeyId":
      return ["Misconfigured", "the storage does not know the accessKeyId: check it, and that the endpoint is its own"]
    case "InvalidToken":
    case "ExpiredToken":
    case "TokenRefreshRequired":
      return ["AccessDenied", "the sessionToken is invalid or has expired: give new credentials"]
    case "NoSuchBucket":
    case "InvalidBucketName":
      return ["Misconfigured", `there is no bucket ${asked.bucket}: create it, or give the name of one that exists`]
    case "NoSuchKey":
      return ["NotFound", "there is no such object"]
    case "NoSuchUpload":
      return ["NotFound", "there is no such upload: it was completed, aborted, or never begun"]
    case "InvalidPart":
    case "InvalidPartOrder":
      return ["NotFound", "a part of the upload is missing or not the one that was named: upload it again"]
    case "EntityTooSmall":
      return ["Misconfigured", "a part is too small: all but the last need at least 5 MiB"]
    case "EntityTooLarge":
      return ["TooLarge", "the object is larger than the storage takes in one piece: upload it in parts"]
    case "IncompleteBody":
      return ["Incomplete", "the body was shorter than announced"]
    case "PreconditionFailed":
      return ["AlreadyExists", "there is an object of this key already"]
    case "AuthorizationHeaderMalformed":
    case "AuthorizationQueryParametersError":
    case "InvalidRegionName":
    case "IllegalLocationConstraintException":
    case "PermanentRedirect":
    case "TemporaryRedirect": {
      const region = xmlText(refusal.body, "Region") ?? refusal.region
      return [
        "Misconfigured",
        region === undefined || region === asked.region
          ? `the storage does not take region ${asked.region} at this endpoint: give the bucket's own region and endpoint`
          : `the bucket is in region ${region}, not in ${asked.region}: set region to ${region}, and the endpoint to that region's`
      ]
    }
  }
  if (status === 429 || status >= 500 || code === "SlowDown" || code === "RequestTimeout") {
    return ["Unavailable", "the storage is overloaded or out of order; try again later"]
  }
  if (status === 409) return ["Unavailable", "another request is changing the object; try again"]
  if (status === 412) return ["AlreadyExists", "there is an object of this key already"]
  if (status === 404) return ["NotFound", "there is no such object"]
  if (status === 401 || status === 403) {
    return [
      "AccessDenied",
      "the credentials may not do this: they need to read, write and delete objects of the bucket, and to list it " +
        "(without that, S3 answers like this for an object that does not exist)"
    ]
  }
  if (status >= 300 && status < 400) {
    const region = refusal.region
    return [
      "Misconfigured",
      region === undefined
        ? "the storage sends this elsewhere: check the endpoint, and its http or https"
        : `the bucket is in region ${region}: set region to ${region}, and the endpoint to that region's`
    ]
  }
  return ["Misconfigured", "the storage does not take this request: check endpoint and style"]
}

export const fromRefusal = (refusal: S3Refusal, asked: S3Asked): ObjectStorageError => {
  const code = xmlText(refusal.body, "Code") ?? ""
  const [reason, message] = judge(code, refusal, asked)
  return new ObjectStorageError({
    reason,
    message: `Can't ${asked.what} in bucket ${asked.bucket}: ${message} (HTTP ${refusal.status}${code === "" ? "" : ` ${code}`})`
  })
}
