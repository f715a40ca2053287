// Compares the core figures with those of the last release, and fails where one has become worse by more than 15 %.
// `npm run bench:guard`; docs/performance/results.json is what it compares with.
//
// What is compared are ratios to peers that are measured in the same run: the naive proxy on the same line of Node.js,
// which is always there, and proxies that are installed in the version of then. A figure is worse where it is worse
// beside each of them: beside one alone it may be the peer that has changed, or had a bad moment.
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { out } from "./machine.mjs"
import { metricOf } from "./measures.mjs"
import { nativePeers } from "./peers/native.mjs"
import { summarize } from "./statistics.mjs"

const allowed = 1.15
const guarded = ["connection-cpu", "download-64", "upload-64"]
const root = fileURLToPath(new URL("..", import.meta.url))

const released = JSON.parse(readFileSync(join(root, "docs/performance/results.json"), "utf8"))
const major = process.versions.node.split(".")[0]
const onThisNode = (name) => `${name}-node${major}`

if (released.samples[onThisNode("tlsroute")]) compare(findRivals())
else console.log(`nothing is compared: the last release was not measured on Node.js ${major}`)

/** @returns {{ id: string, idThen: string }[]} ids of peers now, and in the release's figures */
function findRivals() {
  const installed = nativePeers().filter(
    (peer) =>
      !("missing" in peer) &&
      released.peers.some(({ id, version }) => id === peer.id && version === peer.version) &&
      guarded.every((id) => released.samples[peer.id]?.[id]),
  )
  const naive = { id: "socket.pipe", idThen: onThisNode("socket.pipe") }
  return [
    ...(released.samples[naive.idThen] ? [naive] : []),
    ...installed.slice(0, 1).map(({ id }) => ({ id, idThen: id })),
  ]
}

/** @param {ReturnType<typeof findRivals>} rivals */
function compare(rivals) {
  const wanted = ["tlsroute", ...rivals.map(({ id }) => id), "connections", "download-64", "upload-64"]
  execFileSync(
    process.execPath,
    [join(root, "bench/run.mjs"), "--rounds", "5", ...wanted.flatMap((text) => ["--only", text])],
    { stdio: ["ignore", "ignore", "inherit"] },
  )
  const now = JSON.parse(readFileSync(join(out, "results.json"), "utf8"))
  for (const id of guarded) {
    const changes = rivals.map((rival) => {
      const then = ratio(released, onThisNode("tlsroute"), rival.idThen, id)
      const ratioNow = ratio(now, "tlsroute", rival.id, id)
      const change = metricOf(id).better === "less" ? ratioNow / then : then / ratioNow
      console.log(
        `${id}: ${ratioNow.toFixed(2)} × ${rival.id}, ${then.toFixed(2)} × in the last release: ` +
          `${change > 1 ? "worse" : "better"} by ${(Math.abs(change - 1) * 100).toFixed(0)} %`,
      )
      return change
    })
    if (changes.every((change) => change > allowed)) {
      console.log(`${id}: WORSE beside ${rivals.map((rival) => rival.id).join(" and ")}`)
      process.exitCode = 1
    }
  }
}

/**
 * @param {import("./run.mjs").Results} results
 * @param {string} id of the gateway
 * @param {string} rival
 * @param {string} metric
 */
function ratio({ samples }, id, rival, metric) {
  return summarize(samples[id][metric]).median / summarize(samples[rival][metric]).median
}
