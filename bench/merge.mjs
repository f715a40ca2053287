/** @typedef {import("./run.mjs").Results} Results */

/** Order of the tables. */
const kinds = ["gateway", "command", "native", "script", "library"]

/**
 * Puts the groups that were measured now in place of what there was of them. Where the machine or a program is another
 * one than then, nothing of before is kept: such figures do not stand beside each other.
 *
 * @param {Partial<Results>} before
 * @param {Results} now
 * @returns {Results}
 */
export function merge(before, now) {
  const other = otherwise(before, now)
  if (other !== undefined) {
    console.error(`what was measured before is left out: ${other}`)
    return now
  }
  const added = now.peers.filter(({ id }) => !before.peers.some((peer) => peer.id === id))
  const peers = before.peers.map((peer) => now.peers.find(({ id }) => id === peer.id) ?? peer)
  return {
    ...now,
    groups: { ...before.groups, ...now.groups },
    peers: [...peers, ...added].sort(byKind),
    samples: mergeDeep(before.samples, now.samples),
    ceiling: { ...before.ceiling, ...now.ceiling },
    busy: mergeDeep(before.busy, now.busy),
  }
}

/** The gateway's lines of Node.js are in order too: a sitting may know of some only. */
function byKind(a, b) {
  if (a.kind === "gateway" && b.kind === "gateway") return a.title.localeCompare(b.title)
  return kinds.indexOf(a.kind) - kinds.indexOf(b.kind)
}

/**
 * @param {Partial<Results>} before
 * @param {Results} now
 * @returns {string | undefined} what is not the same
 */
function otherwise(before, now) {
  if (before.groups === undefined) return "it was not measured in groups"
  if (JSON.stringify(before.machine) !== JSON.stringify(now.machine)) return "the machine is another"
  const peer = now.peers.find(({ id, version }) => before.peers.some((old) => old.id === id && old.version !== version))
  return peer && `${peer.title} is of another version`
}

/**
 * @param {Record<string, Record<string, number[]>>} before
 * @param {Record<string, Record<string, number[]>>} now
 */
function mergeDeep(before, now) {
  const ids = new Set([...Object.keys(before), ...Object.keys(now)])
  return Object.fromEntries([...ids].map((id) => [id, { ...before[id], ...now[id] }]))
}
