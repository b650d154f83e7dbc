/** What Node's codes for sockets and certificates mean, in words for a log. */

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "the name can't be looked up right now",
  EHOSTUNREACH: "the host can't be reached",
  ENETUNREACH: "there is no way to that network",
  ETIMEDOUT: "there was no answer in time",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed (NODE_EXTRA_CA_CERTS names a file with its issuer)",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is of an unknown issuer (NODE_EXTRA_CA_CERTS names a file with it)",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is of an unknown issuer (NODE_EXTRA_CA_CERTS names a file with it)",
  CERT_HAS_EXPIRED: "its certificate has expired"
}

/** Node's code, such as ECONNREFUSED; empty when the error has none. */
export const codeOf = (error: Error): string => ("code" in error && typeof error.code === "string" ? error.code : "")

export const wordsOf = (error: Error): string => {
  const code = codeOf(error)
  return words[code] ?? (error.message || code)
}
