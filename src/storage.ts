/**
 * Where clips are kept, as plain values for `manager({ storage })` and for `ObjectStorage.layer`.
 *
 * @example
 * ```ts
 * import { s3 } from "@livecams/mtx-manager/storage"
 *
 * s3({
 *   endpoint: "https://ACCOUNT_ID.r2.cloudflarestorage.com",
 *   credentials: { accessKeyId: "ACCESS_KEY", secretAccessKey: "SECRET_KEY" },
 *   bucket: "clips"
 * })
 * ```
 */
export { type FilesystemOptions, filesystem } from "./adapters/node/FilesystemStorage.js"
export { type MemoryOptions, memory } from "./services/ObjectStorage/MemoryStorage.js"
export { type S3Credentials, type S3Options, s3 } from "./services/ObjectStorage/S3Storage.js"
export type { Storage, StorageHost } from "./services/ObjectStorage.js"
