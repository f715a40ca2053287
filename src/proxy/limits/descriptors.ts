import { readdirSync, readFileSync, statSync } from "node:fs"

/** Options of {@link DescriptorHeadroom}. */
export interface DescriptorHeadroomOptions {
  /** Descriptors kept free for all else: configuration files, DNS, logs. @defaultValue 64, or an eighth of the limit if that is less */
  readonly reserve?: number
  /** Most descriptors the process may open. @defaultValue the soft limit, from `/proc/self/limits`; without it no limit is known */
  readonly limit?: number | undefined
  /** Counts open descriptors. @defaultValue {@link countDescriptors} */
  readonly count?: () => number | undefined
  /** Proxies of this process that draw on the same descriptors, each with a headroom of its own. @defaultValue 1 */
  readonly sharers?: number
  /** Monotonic clock in milliseconds. @defaultValue `performance.now` */
  readonly now?: () => number
}

/** The client's socket, the backend's, and one more while two addresses of a name are raced. */
const DESCRIPTORS_PER_CONNECTION = 3
const SAMPLE_LIFETIME = 1000
/** Milliseconds before a sample without room is taken again: where counting walks a table, a flood must not make it walk each time. */
const FULL_LIFETIME = 50

/**
 * Tells whether one more connection can be taken without running out of file descriptors. A proxy that takes
 * one too many cannot dial for those it has, cannot read its configuration, and in the end cannot even log it.
 *
 * Counting is spared where it can be: a sample with room for n connections holds for n connections.
 */
export class DescriptorHeadroom {
  /** Most descriptors that the process may open; `undefined` where no limit is known. */
  readonly limit: number | undefined
  readonly #reserve: number
  readonly #count: () => number | undefined
  readonly #sharers: number
  readonly #now: () => number
  #credit = 0
  #wasFull = false
  #sampledAt = Number.NEGATIVE_INFINITY

  constructor(options: DescriptorHeadroomOptions = {}) {
    this.limit = "limit" in options ? options.limit : readDescriptorLimit()
    this.#reserve = options.reserve ?? Math.min(64, Math.floor((this.limit ?? 0) / 8))
    this.#count = options.count ?? countDescriptors
    this.#sharers = options.sharers ?? 1
    this.#now = options.now ?? (() => performance.now())
  }

  /**
   * Whether one more connection can be taken; counts it as taken if so.
   *
   * @param undialed - connections already taken that have yet to open their backend's socket
   */
  take(undialed: number): boolean {
    if (this.limit === undefined) return true
    const now = this.#now()
    const lifetime = this.#wasFull ? FULL_LIFETIME : this.#credit < 1 ? 0 : SAMPLE_LIFETIME
    if (now - this.#sampledAt >= lifetime) this.#sample(this.limit, undialed, now)
    if (this.#credit < 1) return false
    this.#credit--
    return true
  }

  #sample(limit: number, undialed: number, now: number): void {
    const open = this.#count()
    if (open === undefined) {
      this.#credit = Number.POSITIVE_INFINITY
    } else {
      // Others are taken to have as many yet to dial as this one.
      const promised = undialed * (DESCRIPTORS_PER_CONNECTION - 1) * this.#sharers
      const free = limit - this.#reserve - open - promised
      this.#credit = Math.floor(free / DESCRIPTORS_PER_CONNECTION / this.#sharers)
    }
    this.#wasFull = this.#credit < 1
    this.#sampledAt = now
  }
}

/** Soft limit of open files from the text of `/proc/self/limits`; `undefined` where there is none. */
export function parseDescriptorLimit(limits: string): number | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  return soft === undefined ? undefined : Number(soft)
}

function readDescriptorLimit(): number | undefined {
  try {
    return parseDescriptorLimit(readFileSync("/proc/self/limits", "utf8"))
  } catch {
    return undefined
  }
}

/** Open descriptors of this process; `undefined` where the system does not tell. */
export function countDescriptors(): number | undefined {
  try {
    // Since Linux 6.2 the size of the directory is the count, without a walk through the table.
    const { size } = statSync("/proc/self/fd")
    return size > 0 ? size : readdirSync("/proc/self/fd").length
  } catch (error) {
    // No descriptor left to open the directory with: the table is full.
    const code = error instanceof Error && "code" in error ? error.code : undefined
    return code === "EMFILE" || code === "ENFILE" ? Number.POSITIVE_INFINITY : undefined
  }
}
