// Compares the core figures with the last release's, each as a ratio to a peer that is measured in the same run, and fails
// where one has become worse by more than 15 %. `npm run bench:guard`; docs/performance/results.json is what it compares
// with. Where no peer is installed it says so, and passes.
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
const subject = released.peers.find(({ id }) => id === `tlsroute-node${major}`)?.id
// Of another version it would be another measure.
const rival = nativePeers().find(
  (peer) =>
    !("missing" in peer) &&
    released.peers.some(({ id, version }) => id === peer.id && version === peer.version) &&
    guarded.every((id) => released.samples[peer.id]?.[id]),
)

if (subject === undefined) skip(`the last release was not measured on Node.js ${major}`)
else if (rival === undefined)
  skip("no proxy is installed in the version that was measured then: run `sudo sh bench/install-peers.sh`")
else compare(subject, rival.id)

/** @param {string} reason */
function skip(reason) {
  console.log(`nothing is compared: ${reason}`)
}

/**
 * @param {string} before id of the gateway in the release's figures
 * @param {string} rival id of a peer
 */
function compare(before, rival) {
  const only = ["tlsroute", rival, "connections", "download-64", "upload-64"].flatMap((text) => ["--only", text])
  execFileSync(process.execPath, [join(root, "bench/run.mjs"), "--rounds", "3", "--seconds", "1", ...only], {
    stdio: ["ignore", "ignore", "inherit"],
  })
  const now = JSON.parse(readFileSync(join(out, "results.json"), "utf8"))
  const worse = guarded.map((id) => {
    const then = ratio(released, before, rival, id)
    const ratioNow = ratio(now, "tlsroute", rival, id)
    const change = metricOf(id).better === "less" ? ratioNow / then : then / ratioNow
    const verdict = change > allowed ? "WORSE" : "ok"
    console.log(
      `${id}: ${ratioNow.toFixed(2)} × ${rival}, ${then.toFixed(2)} × in the last release: ` +
        `${change > 1 ? "worse" : "better"} by ${(Math.abs(change - 1) * 100).toFixed(0)} %, ${verdict}`,
    )
    return change > allowed
  })
  if (worse.includes(true)) process.exitCode = 1
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
