/**
 * Releases of MediaMTX: which are known, how one is read from what a server says of itself, and which came first.
 *
 * @since 0.1.0
 */
import type { MediaMTXVersion } from "./ConfigField.js"

/**
 * Every release whose config is known, the oldest first.
 *
 * @since 0.1.0
 * @category constants
 */
export const releases = [
  "1.15.0",
  "1.15.1",
  "1.15.2",
  "1.15.3",
  "1.15.4",
  "1.15.5",
  "1.15.6",
  "1.16.0",
  "1.16.1",
  "1.16.2",
  "1.16.3",
  "1.17.0",
  "1.17.1",
  "1.18.0",
  "1.18.1",
  "1.18.2",
  "1.19.0",
  "1.19.1",
  "1.19.2",
  "1.19.3",
  "1.20.0",
  "1.20.1"
] as const satisfies ReadonlyArray<MediaMTXVersion>

/**
 * The release in a text such as `v1.19.3`, `1.19.3` or `v1.19.3-2-gabcdef0`. Undefined where there is none: builds from
 * a tree without tags call themselves `v0.0.0`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseVersion = (text: string): MediaMTXVersion | undefined => {
  const match = /^v?([1-9]\d{0,3})\.(\d{1,4})\.(\d{1,4})(?![\d.])/.exec(text)
  return match === null ? undefined : `${Number(match[1])}.${Number(match[2])}.${Number(match[3])}`
}

/**
 * Negative when `a` is older than `b`.
 *
 * @since 0.1.0
 * @category ordering
 */
export const compareVersions = (a: MediaMTXVersion, b: MediaMTXVersion): number => {
  const [majorA = 0, minorA = 0, patchA = 0] = a.split(".").map(Number)
  const [majorB = 0, minorB = 0, patchB = 0] = b.split(".").map(Number)
  return majorA - majorB || minorA - minorB || patchA - patchB
}

/**
 * @since 0.1.0
 * @category ordering
 */
export const isBefore = (a: MediaMTXVersion, b: MediaMTXVersion): boolean => compareVersions(a, b) < 0

/**
 * The known release that a version is taken for: itself, else the newest that is not newer. Undefined: older than all.
 *
 * @since 0.1.0
 * @category conversions
 */
export const knownRelease = (version: MediaMTXVersion): (typeof releases)[number] | undefined => {
  for (let at = releases.length - 1; at >= 0; at--) {
    const release = releases[at]
    if (release !== undefined && !isBefore(version, release)) return release
  }
  return undefined
}
