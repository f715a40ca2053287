import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { describe, expect, it } from "vitest"
import { parseAllDocuments } from "yaml"

const manifests = join(resolve(import.meta.dirname, "../.."), "deploy/manifests/tlsroute.yaml")

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}

const objects = parseAllDocuments(readFileSync(manifests, "utf8")).map((document) => document.toJS())
const rules: readonly Rule[] = objects
  .filter((object) => object?.kind === "ClusterRole" || object?.kind === "Role")
  .flatMap(({ rules: ofRole }) => ofRole)

const READING = new Set(["get", "list", "watch"])

describe("the rights of the controller", () => {
  it("name kinds and verbs one by one, no Secret or ConfigMap among them", () => {
    expect(rules.length).toBeGreaterThan(5)
    const named = rules.flatMap(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs])
    expect(named.filter((each) => each.includes("*"))).toEqual([])
    expect(named.filter((each) => /^(secrets|configmaps|pods|nodes)/.test(each))).toEqual([])
  })

  it("are each granted once", () => {
    const written = rules.map((rule) => JSON.stringify(rule))
    expect(written.filter((rule, index) => written.indexOf(rule) !== index)).toEqual([])
  })

  it("write statuses, Events and its own Lease, and nothing else", () => {
    const writing = rules.filter(({ verbs }) => verbs.some((verb) => !READING.has(verb)))
    const beside = writing.filter(({ resources }) => !resources.every((resource) => resource.endsWith("/status")))
    expect(beside).toEqual([
      { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] },
      { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["create"] },
      {
        apiGroups: ["coordination.k8s.io"],
        resources: ["leases"],
        resourceNames: ["tlsroute"],
        verbs: ["get", "update"],
      },
    ])
  })
})
