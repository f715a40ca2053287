/** Whether the cluster's CRDs are of releases that are known here, and what it means where they are not. */
export interface VersionVerdict {
  readonly supported: boolean
  readonly message: string
}

/** Minor releases of v1 by whose schema and rules objects are checked. */
const OLDEST_MINOR = 6
const NEWEST_MINOR = 7
const NEWEST = `v1.${NEWEST_MINOR}`

const VERSION = /^v(\d+)\.(\d+)\./

/**
 * Judges versions of CRDs, `""` for one that does not tell. Where they are not supported, objects are served as far as
 * they can be read.
 *
 * @returns `undefined` when no version is known
 */
export function judgeVersions(versions: readonly string[] | undefined): VersionVerdict | undefined {
  if (versions === undefined || versions.length === 0) return undefined
  const all = [...new Set(versions)]
  const ofAge = (age: Age) => all.filter((version) => ageOf(version) === age)
  const [strange, ancient, newer, older] = [ofAge("strange"), ofAge("ancient"), ofAge("newer"), ofAge("older")]
  const asFarAsRead = `Gateways are served as far as they can be read; install those of ${NEWEST}`
  const faults = [
    strange.length === 0 ? [] : [`${named(strange)} are of no release that is known here: ${asFarAsRead}`],
    ancient.length === 0 ? [] : [`${named(ancient)} are older than v1.0: ${asFarAsRead}`],
    newer.length === 0
      ? []
      : [
          `${named(newer)} are newer than ${NEWEST}, the newest that is known here: Gateways are served, and what is new in them is not read`,
        ],
  ].flat()
  if (faults.length > 0) return { supported: false, message: `Gateway API CRDs ${faults.join("; ")}` }
  const rules =
    older.length === 0
      ? ""
      : `; ${named(older)} are older than v1.${OLDEST_MINOR}, by whose rules objects are checked, and mean what they meant then`
  return { supported: true, message: `Gateway API CRDs ${named(all)} are supported${rules}` }
}

type Age = "ancient" | "older" | "known" | "newer" | "strange"

function ageOf(version: string): Age {
  const [, major, minor] = (VERSION.exec(version) ?? []).map(Number)
  if (major === undefined || minor === undefined || (major === 0 && minor === 0)) return "strange"
  if (major === 0) return "ancient"
  if (major > 1 || minor > NEWEST_MINOR) return "newer"
  return minor < OLDEST_MINOR ? "older" : "known"
}

const named = (versions: readonly string[]): string =>
  versions.map((version) => version || "without a version").join(", ")
