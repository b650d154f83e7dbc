/**
 * A run of records with consecutive cursors in memory: the whole log of the memory layer, the newest end of a stored one.
 *
 * @internal
 */
import type { Cursor, HookRecord } from "../HookBus.js"

/** Dropped records stay at the front of the array until they are at least this many, and an eighth of it. */
const compactAt = 1024

export class RecordWindow {
  private records: Array<HookRecord> = []
  private head = 0
  constructor(private readonly capacity: number) {}

  get size(): number {
    return this.records.length - this.head
  }

  /** The oldest record, if any. */
  get oldest(): HookRecord | undefined {
    return this.records[this.head]
  }

  /** Adds the newest record. One that does not follow on the last starts the window anew: it must have no gap. */
  push(record: HookRecord): void {
    const last = this.records[this.records.length - 1]
    if (last !== undefined && record.cursor !== last.cursor + 1) {
      this.records = []
      this.head = 0
    }
    this.records.push(record)
    if (this.size > this.capacity) this.drop(this.size - this.capacity)
  }

  /** Whether every record after `after` that exists is in here. */
  covers(after: Cursor): boolean {
    const oldest = this.oldest
    return oldest !== undefined && after >= oldest.cursor - 1
  }

  /** Up to `limit` records after `after`, oldest first. */
  after(after: Cursor, limit: number): Array<HookRecord> {
    const oldest = this.oldest
    if (oldest === undefined) return []
    const from = this.head + Math.max(0, after + 1 - oldest.cursor)
    return this.records.slice(from, from + limit)
  }

  /** Drops the records up to and including `upTo`. */
  trim(upTo: Cursor): void {
    const oldest = this.oldest
    if (oldest !== undefined && upTo >= oldest.cursor) this.drop(Math.min(this.size, upTo + 1 - oldest.cursor))
  }

  /** Drops records from the oldest on as long as `tooOld` says so. */
  trimWhile(tooOld: (record: HookRecord) => boolean): void {
    let count = 0
    while (count < this.size) {
      const record = this.records[this.head + count]
      if (record === undefined || !tooOld(record)) break
      count++
    }
    this.drop(count)
  }

  private drop(count: number): void {
    this.head += count
    if (this.head >= compactAt && this.head * 8 >= this.records.length) {
      this.records = this.records.slice(this.head)
      this.head = 0
    }
  }
}
