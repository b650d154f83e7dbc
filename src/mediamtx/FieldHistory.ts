/**
 * What a field did in an older release.
 *
 * @since 0.1.0
 */
import type { AnyConfigField, MediaMTXVersion } from "./ConfigField.js"
import { isBefore } from "./MediaMTXVersion.js"

/**
 * What a release does when a field is not given. A release that lacks it behaves as its row says.
 *
 * @since 0.1.0
 * @category conversions
 */
export const defaultIn = (row: AnyConfigField, version: MediaMTXVersion): unknown =>
  isBefore(version, row.since)
    ? row.absent
    : (row.formerDefaults.find(({ before }) => isBefore(version, before)) ?? row).default

/**
 * What a change of a field does to a running server of a release.
 *
 * @since 0.1.0
 * @category conversions
 */
export const reloadIn = <Reload extends string>(row: AnyConfigField<Reload>, version: MediaMTXVersion): Reload =>
  row.formerReload !== undefined && isBefore(version, row.formerReload.before) ? row.formerReload.reload : row.reload
