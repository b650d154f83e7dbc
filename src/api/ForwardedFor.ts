/** Whose request it is, seen through proxies. */

/**
 * The client's address: of the `X-Forwarded-For` header, the entry that the outermost of `trustedProxies` proxies added.
 * Without proxies the header is ignored, because anyone can send it.
 */
export const clientAddress = (
  direct: string | undefined,
  header: string | undefined,
  trustedProxies: number
): string | undefined => {
  if (trustedProxies <= 0 || header === undefined) return direct
  const chain = header.split(",")
  const address = chain[Math.max(0, chain.length - trustedProxies)]?.trim()
  return address === undefined || address === "" ? direct : address
}
