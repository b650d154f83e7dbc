/** `./storage` where there is no file system: what bundlers for Cloudflare Workers take by the condition `workerd`. */
export { type MemoryOptions, memory } from "./services/ObjectStorage/MemoryStorage.js"
export { type S3Credentials, type S3Options, s3 } from "./services/ObjectStorage/S3Storage.js"
export type { Storage, StorageHost } from "./services/ObjectStorage.js"
