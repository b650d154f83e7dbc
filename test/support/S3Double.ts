/**
 * A small real S3 server on a free port of 127.0.0.1, strict about signatures: what it refuses, S3 refuses.
 *
 * Its check of Signature Version 4 is written from Amazon's description with node:crypto, on the raw request line, and
 * shares nothing with the signer under test. Objects are in memory.
 */
import { createHash, createHmac, randomUUID, timingSafeEqual } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"

export interface S3DoubleOptions {
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly sessionToken?: string
  readonly bucket?: string
  readonly region?: string
  /** Epoch milliseconds (default: the machine's clock). */
  readonly now?: () => number
}

export interface S3Object {
  readonly body: Buffer
  readonly contentType: string
  readonly etag: string
  readonly modified: number
}

export interface S3Double {
  readonly endpoint: string
  readonly port: number
  readonly bucket: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly objects: Map<string, S3Object>
  /** Uploads in parts that are open. */
  readonly uploads: ReadonlyMap<string, unknown>
  /** `METHOD /path` of every request, without its query. */
  readonly asked: Array<string>
  /** Answers the next requests by these instead: each is used once. */
  readonly next: Array<(response: ServerResponse, request: IncomingMessage) => void>
  readonly close: () => Promise<void>
}

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly more: Readonly<Record<string, string>> = {}
  ) {
    super(message)
  }
}

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest("hex")
const hmac = (key: string | Buffer, data: string) => createHmac("sha256", key).update(data, "utf8").digest()

/** UriEncode of Amazon's description, on bytes. */
const uriEncode = (text: string, slashes: boolean): string => {
  let out = ""
  for (const byte of Buffer.from(text, "utf8")) {
    const character = String.fromCharCode(byte)
    if (/[A-Za-z0-9\-._~]/.test(character) || (character === "/" && !slashes)) out += character
    else out += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
  }
  return out
}

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Refusal(400, "InvalidURI", "Couldn't parse the specified URI.")
  }
}

/** By hand and strictly: `+` is a plus here, so that a space that was sent as one is noticed. */
const parseQuery = (raw: string): ReadonlyArray<readonly [string, string]> =>
  raw === ""
    ? []
    : raw.split("&").map((part) => {
        const at = part.indexOf("=")
        return at < 0 ? [decode(part), ""] : [decode(part.slice(0, at)), decode(part.slice(at + 1))]
      })

const SKEW = 15 * 60 * 1000

const amzDate = (text: string): number => {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (match === null) throw new Refusal(403, "AccessDenied", "X-Amz-Date must be formatted as yyyyMMddTHHmmssZ")
  const [, year, month, day, hour, minute, second] = match.map(Number)
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second)
}

interface Checked {
  readonly options: Required<Omit<S3DoubleOptions, "sessionToken">> & { readonly sessionToken: string | undefined }
  readonly request: IncomingMessage
  readonly rawPath: string
  readonly query: ReadonlyArray<readonly [string, string]>
  readonly body: Buffer
}

/** Throws a Refusal unless the request was signed by whoever knows the secret, for just this. */
const checkSignature = ({ body, options, query, rawPath, request }: Checked): void => {
  const one = (name: string) => query.find(([key]) => key === name)?.[1]
  const header = (name: string): string | undefined => {
    const value = request.headers[name]
    return Array.isArray(value) ? value.join(",") : value
  }
  const presigned = one("X-Amz-Algorithm") !== undefined || one("X-Amz-Signature") !== undefined
  const now = options.now()

  let credential: string
  let signedHeaders: string
  let signature: string
  let date: string
  let payload: string
  if (presigned) {
    const need = (name: string) => {
      const value = one(name)
      if (value === undefined || value === "") {
        throw new Refusal(400, "AuthorizationQueryParametersError", `Query-string authentication needs ${name}.`)
      }
      return value
    }
    if (need("X-Amz-Algorithm") !== "AWS4-HMAC-SHA256") {
      throw new Refusal(400, "AuthorizationQueryParametersError", "Unsupported X-Amz-Algorithm")
    }
    credential = need("X-Amz-Credential")
    signedHeaders = need("X-Amz-SignedHeaders")
    signature = need("X-Amz-Signature")
    date = need("X-Amz-Date")
    payload = header("x-amz-content-sha256") ?? "UNSIGNED-PAYLOAD"
    const expires = need("X-Amz-Expires")
    if (!/^\d+$/.test(expires) || Number(expires) < 1 || Number(expires) > 604_800) {
      throw new Refusal(400, "AuthorizationQueryParametersError", "X-Amz-Expires must be between 1 and 604800 seconds")
    }
    const issued = amzDate(date)
    if (issued > now + SKEW) throw new Refusal(403, "AccessDenied", "Request is not yet valid")
    if (now > issued + Number(expires) * 1000) throw new Refusal(403, "AccessDenied", "Request has expired")
  } else {
    const authorization = header("authorization")
    if (authorization === undefined) throw new Refusal(403, "AccessDenied", "Access Denied")
    const match = /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)$/.exec(
      authorization
    )
    if (match === null) throw new Refusal(400, "AuthorizationHeaderMalformed", "The authorization header is malformed")
    credential = match[1] ?? ""
    signedHeaders = match[2] ?? ""
    signature = match[3] ?? ""
    date = header("x-amz-date") ?? ""
    payload = header("x-amz-content-sha256") ?? ""
    if (payload === "") throw new Refusal(400, "InvalidRequest", "Missing required header: x-amz-content-sha256")
    const issued = amzDate(date)
    if (Math.abs(issued - now) > SKEW) {
      throw new Refusal(
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        {
          RequestTime: date,
          ServerTime: new Date(now).toISOString().replace(/\.\d{3}/, ""),
          MaxAllowedSkewMilliseconds: String(SKEW)
        }
      )
    }
  }

  const scope = credential.split("/")
  const [accessKeyId, day, region, service, end] = scope
  if (scope.length !== 5 || service !== "s3" || end !== "aws4_request" || day !== date.slice(0, 8)) {
    throw new Refusal(400, "AuthorizationHeaderMalformed", "The credential's scope is malformed")
  }
  if (accessKeyId !== options.accessKeyId) {
    throw new Refusal(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
  }
  if (region !== options.region) {
    throw new Refusal(
      400,
      "AuthorizationHeaderMalformed",
      `The region '${region}' is wrong; expecting '${options.region}'`,
      {
        Region: options.region
      }
    )
  }
  const token = presigned ? one("X-Amz-Security-Token") : header("x-amz-security-token")
  if (token !== options.sessionToken) {
    throw new Refusal(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
  }

  const names = signedHeaders.split(";")
  if (!names.includes("host")) throw new Refusal(403, "AccessDenied", "The host header must be signed")
  if (names.join(";") !== [...names].sort().join(";"))
    throw new Refusal(400, "InvalidRequest", "SignedHeaders are not sorted")
  for (const name of Object.keys(request.headers)) {
    if (name.startsWith("x-amz-") && !names.includes(name)) {
      throw new Refusal(403, "AccessDenied", `There were headers present in the request which were not signed: ${name}`)
    }
  }

  const canonicalRequest = [
    request.method ?? "",
    uriEncode(decode(rawPath), false),
    query
      .filter(([name]) => name !== "X-Amz-Signature")
      .map(([name, value]) => `${uriEncode(name, true)}=${uriEncode(value, true)}`)
      .sort()
      .join("&"),
    ...names.map((name) => `${name}:${(header(name) ?? "").trim().replace(/ +/g, " ")}`),
    "",
    signedHeaders,
    payload
  ].join("\n")
  const stringToSign = ["AWS4-HMAC-SHA256", date, scope.slice(1).join("/"), sha256(canonicalRequest)].join("\n")
  const signingKey = ["s3", "aws4_request"].reduce(
    (key, part) => hmac(key, part),
    hmac(hmac(`AWS4${options.secretAccessKey}`, day ?? ""), region ?? "")
  )
  const expected = hmac(signingKey, stringToSign).toString("hex")
  if (expected.length !== signature.length || !timingSafeEqual(Buffer.from(expected), Buffer.from(signature))) {
    throw new Refusal(
      403,
      "SignatureDoesNotMatch",
      "The request signature we calculated does not match the signature you provided.",
      { StringToSign: stringToSign, CanonicalRequest: canonicalRequest }
    )
  }
  if (payload !== "UNSIGNED-PAYLOAD" && payload !== sha256(body)) {
    throw new Refusal(
      400,
      "XAmzContentSHA256Mismatch",
      "The provided 'x-amz-content-sha256' header does not match what was computed."
    )
  }
}

const xmlEscape = (text: string) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")

interface Upload {
  readonly key: string
  readonly contentType: string
  readonly parts: Map<number, { readonly body: Buffer; readonly etag: string }>
}

const MEBIBYTE = 1024 * 1024
const md5 = (data: Buffer | string) => createHash("md5").update(data)

export const s3Double = async (given: S3DoubleOptions = {}): Promise<S3Double> => {
  const options: Checked["options"] = {
    accessKeyId: given.accessKeyId ?? "AKIDEXAMPLE",
    secretAccessKey: given.secretAccessKey ?? "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    sessionToken: given.sessionToken,
    bucket: given.bucket ?? "clips",
    region: given.region ?? "us-east-1",
    now: given.now ?? Date.now
  }
  const objects = new Map<string, S3Object>()
  const uploads = new Map<string, Upload>()
  const asked: Array<string> = []
  const next: S3Double["next"] = []

  const xml = (response: ServerResponse, status: number, body: string) => {
    response.writeHead(status, { "content-type": "application/xml" })
    response.end(`<?xml version="1.0" encoding="UTF-8"?>\n${body}`)
  }

  const store = (key: string, body: Buffer, contentType: string, etag: string, request: IncomingMessage) => {
    if (request.headers["if-none-match"] === "*" && objects.has(key)) {
      throw new Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    }
    objects.set(key, { body, contentType, etag, modified: options.now() })
  }

  const handle = (request: IncomingMessage, body: Buffer, response: ServerResponse) => {
    const target = request.url ?? "/"
    const at = target.indexOf("?")
    const rawPath = at < 0 ? target : target.slice(0, at)
    const query = parseQuery(at < 0 ? "" : target.slice(at + 1))
    const one = (name: string) => query.find(([key]) => key === name)?.[1]
    checkSignature({ options, request, rawPath, query, body })

    const host = request.headers.host ?? ""
    const path = decode(rawPath).slice(1)
    const virtual = host.startsWith(`${options.bucket}.`)
    const slash = path.indexOf("/")
    const bucket = virtual ? options.bucket : slash < 0 ? path : path.slice(0, slash)
    const key = virtual ? path : slash < 0 ? "" : path.slice(slash + 1)
    if (bucket !== options.bucket) throw new Refusal(404, "NoSuchBucket", "The specified bucket does not exist")
    if (key === "") throw new Refusal(501, "NotImplemented", "This double knows objects only")

    const uploadId = one("uploadId")
    const openUpload = () => {
      const upload = uploads.get(uploadId ?? "")
      if (upload === undefined || upload.key !== key) {
        throw new Refusal(404, "NoSuchUpload", "The specified upload does not exist.")
      }
      return upload
    }
    switch (request.method) {
      case "PUT": {
        const etag = `"${md5(body).digest("hex")}"`
        if (uploadId !== undefined) openUpload().parts.set(Number(one("partNumber")), { body, etag })
        else store(key, body, request.headers["content-type"] ?? "binary/octet-stream", etag, request)
        response.writeHead(200, { etag, "content-length": 0 })
        response.end()
        return
      }
      case "POST": {
        if (one("uploads") !== undefined) {
          const id = `upload/${randomUUID()}+&`
          uploads.set(id, {
            key,
            contentType: request.headers["content-type"] ?? "binary/octet-stream",
            parts: new Map()
          })
          return xml(
            response,
            200,
            `<InitiateMultipartUploadResult><Bucket>${bucket}</Bucket><Key>${xmlEscape(key)}</Key><UploadId>${xmlEscape(id)}</UploadId></InitiateMultipartUploadResult>`
          )
        }
        const upload = openUpload()
        const named = [
          ...body.toString("utf8").matchAll(/<Part><PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag><\/Part>/g)
        ].map(([, number, etag]) => ({ number: Number(number), etag: (etag ?? "").replace(/&quot;/g, '"') }))
        if (named.length === 0) throw new Refusal(400, "MalformedXML", "The XML you provided was not well-formed")
        const bodies = named.map(({ etag, number }, index) => {
          const part = upload.parts.get(number)
          if (part === undefined || part.etag !== etag) {
            throw new Refusal(400, "InvalidPart", "One or more of the specified parts could not be found.")
          }
          if (index > 0 && (named[index - 1]?.number ?? 0) >= number) {
            throw new Refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
          }
          if (index < named.length - 1 && part.body.length < 5 * MEBIBYTE) {
            throw new Refusal(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
          }
          return part.body
        })
        const digest = md5(Buffer.concat(bodies.map((part) => md5(part).digest()))).digest("hex")
        store(key, Buffer.concat(bodies), upload.contentType, `"${digest}-${bodies.length}"`, request)
        uploads.delete(uploadId ?? "")
        return xml(
          response,
          200,
          `<CompleteMultipartUploadResult><Key>${xmlEscape(key)}</Key></CompleteMultipartUploadResult>`
        )
      }
      case "DELETE": {
        if (uploadId === undefined) objects.delete(key)
        else {
          openUpload()
          uploads.delete(uploadId)
        }
        response.writeHead(204)
        response.end()
        return
      }
      case "GET":
      case "HEAD": {
        const object = objects.get(key)
        if (object === undefined) throw new Refusal(404, "NoSuchKey", "The specified key does not exist.")
        const headers: Record<string, string> = {
          "accept-ranges": "bytes",
          "content-type": object.contentType,
          etag: object.etag,
          "last-modified": new Date(object.modified).toUTCString()
        }
        const disposition = one("response-content-disposition")
        if (disposition !== undefined) headers["content-disposition"] = disposition
        const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "")
        let { body: bytes } = object
        let status = 200
        if (range !== null) {
          const start = Number(range[1])
          if (start >= bytes.length) throw new Refusal(416, "InvalidRange", "The requested range is not satisfiable")
          const end = range[2] === "" ? bytes.length - 1 : Math.min(Number(range[2]), bytes.length - 1)
          headers["content-range"] = `bytes ${start}-${end}/${bytes.length}`
          bytes = bytes.subarray(start, end + 1)
          status = 206
        }
        response.writeHead(status, { ...headers, "content-length": bytes.length })
        response.end(request.method === "HEAD" ? undefined : bytes)
        return
      }
      default:
        throw new Refusal(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
    }
  }

  const server = createServer((request, response) => {
    const received: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => received.push(chunk))
    request.on("end", () => {
      asked.push(`${request.method} ${(request.url ?? "").split("?")[0]}`)
      const scripted = next.shift()
      if (scripted !== undefined) return scripted(response, request)
      try {
        handle(request, Buffer.concat(received), response)
      } catch (error) {
        const refusal = error instanceof Refusal ? error : new Refusal(500, "InternalError", String(error))
        const body = `<Error><Code>${refusal.code}</Code><Message>${xmlEscape(refusal.message)}</Message>${Object.entries(
          refusal.more
        )
          .map(([name, value]) => `<${name}>${xmlEscape(value)}</${name}>`)
          .join("")}<RequestId>${randomUUID()}</RequestId></Error>`
        // As on the wire: HEAD has no body, so no code either.
        response.writeHead(refusal.status, {
          "content-type": "application/xml",
          ...(refusal.status === 412 || request.method !== "PUT" ? {} : { connection: "close" })
        })
        response.end(request.method === "HEAD" ? undefined : `<?xml version="1.0" encoding="UTF-8"?>\n${body}`)
      }
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", resolve)
  })
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    port: address.port,
    bucket: options.bucket,
    region: options.region,
    accessKeyId: options.accessKeyId,
    secretAccessKey: options.secretAccessKey,
    objects,
    uploads,
    asked,
    next,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
