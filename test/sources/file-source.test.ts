import { execFileSync } from "node:child_process"
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import type { GatewayResources } from "../../src/routing/resources.ts"
import { type FileSource, type FileSourceOptions, fileSource, readResources } from "../../src/sources/file-source.ts"
import { hostnames, routeNames, tlsRoute } from "./manifests.ts"

let directory: string
let stop: AbortController
let open: AsyncIterator<GatewayResources>[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "tlsroute-sources-"))
  stop = new AbortController()
  open = []
})

afterEach(async () => {
  stop.abort()
  await Promise.all(open.map((iterator) => iterator.next()))
  await rm(directory, { recursive: true, force: true })
})

const at = (name: string) => join(directory, name)

/** Polls too seldom for these tests to see, so that what they see came by notification. */
const byNotification: FileSourceOptions = { debounce: 30, pollInterval: 60_000 }

function follow(paths: string | string[], options = byNotification) {
  const source: FileSource = fileSource(paths, options)
  const iterator = source(stop.signal)[Symbol.asyncIterator]()
  open.push(iterator)
  const next = async (): Promise<GatewayResources> => {
    const { value, done } = await iterator.next()
    if (done) throw new Error("the source ended")
    return value
  }
  /** The first snapshot that satisfies the condition; a directory in motion may give others on the way. */
  const until = async (condition: (resources: GatewayResources) => boolean): Promise<GatewayResources> => {
    for (;;) {
      const resources = await next()
      if (condition(resources)) return resources
    }
  }
  return { source, next, until, iterator }
}

describe("fileSource", () => {
  test("reads again at once when asked to, whatever the files look like, and tells whether they say something else", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a", "one.example"))
    const { source, next, iterator } = follow(at("a.yaml"), { debounce: 60_000, pollInterval: 60_000 })
    expect(await source.reload()).toBe(false)
    await next()
    const nothing = iterator.next()
    expect(await source.reload()).toBe(false)
    await writeFile(at("a.yaml"), tlsRoute("a", "two.example"))
    expect(await source.reload()).toBe(true)
    expect(hostnames((await nothing).value as GatewayResources)).toEqual(["two.example"])
    const end = iterator.next()
    const asked = source.reload()
    stop.abort()
    expect(await asked).toBe(false)
    expect(await end).toMatchObject({ done: true })
  })

  test("reads files and directories, sorted by name, without hidden and foreign files", async () => {
    await mkdir(at("routes"))
    await mkdir(at("routes/deeper"))
    await writeFile(at("routes/b.yml"), tlsRoute("b"))
    await writeFile(at("routes/a.yaml"), `${tlsRoute("a1")}---\n${tlsRoute("a2")}`)
    await writeFile(at("routes/c.json"), JSON.stringify({ apiVersion: "v1", kind: "Service", metadata: { name: "c" } }))
    await writeFile(at("routes/notes.txt"), "no YAML: [")
    await writeFile(at("routes/.hidden.yaml"), tlsRoute("hidden"))
    await writeFile(at("routes/deeper/d.yaml"), tlsRoute("deeper"))
    await writeFile(at("manifest"), tlsRoute("named"))
    const resources = await follow([at("manifest"), at("routes")]).next()
    expect(routeNames(resources)).toEqual(["named", "a1", "a2", "b"])
    expect(resources.services).toHaveLength(1)
    expect(resources.problems).toBeUndefined()
  })

  test("follows a file that is written in place", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a", "one.example.com"))
    const { next } = follow(at("a.yaml"))
    expect(hostnames(await next())).toEqual(["one.example.com"])
    await writeFile(at("a.yaml"), tlsRoute("a", "two.example.com"))
    expect(hostnames(await next())).toEqual(["two.example.com"])
    await appendFile(at("a.yaml"), `---\n${tlsRoute("b")}`)
    expect(routeNames(await next())).toEqual(["a", "b"])
  })

  test("follows a file that an editor replaces by renaming another over it", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a", "host-0.example.com"))
    const { next } = follow(at("a.yaml"))
    await next()
    for (const version of [1, 2, 3]) {
      await writeFile(at(".a.yaml.swp"), tlsRoute("a", `host-${version}.example.com`))
      await rename(at(".a.yaml.swp"), at("a.yaml"))
      expect(hostnames(await next())).toEqual([`host-${version}.example.com`])
    }
  })

  test("follows a file that an editor moves away before writing it anew", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a", "one.example.com"))
    const { next } = follow(at("a.yaml"), { ...byNotification, debounce: 100 })
    await next()
    await rename(at("a.yaml"), at("a.yaml~"))
    await writeFile(at("a.yaml"), tlsRoute("a", "two.example.com"))
    const resources = await next()
    expect(hostnames(resources)).toEqual(["two.example.com"])
    expect(resources.problems).toBeUndefined()
  })

  /** Lays out a directory as the kubelet mounts a ConfigMap, or swaps its content as the kubelet does. */
  async function mountConfigMap(mount: string, revision: string, files: Record<string, string>): Promise<void> {
    await mkdir(join(mount, `..${revision}`), { recursive: true })
    for (const [name, text] of Object.entries(files)) await writeFile(join(mount, `..${revision}`, name), text)
    await symlink(`..${revision}`, join(mount, "..data_tmp"))
    await rename(join(mount, "..data_tmp"), join(mount, "..data"))
    for (const name of Object.keys(files)) {
      await symlink(join("..data", name), join(mount, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error
      })
    }
  }

  test.each([
    ["the mounted directory", "mount"],
    ["one file in it", "mount/a.yaml"],
  ])("follows the ..data swap of a ConfigMap by %s", async (_what, path) => {
    await mountConfigMap(at("mount"), "2026_01", { "a.yaml": tlsRoute("a", "one.example.com") })
    const { next } = follow(at(path))
    expect(hostnames(await next())).toEqual(["one.example.com"])
    for (const version of ["2026_02", "2026_03"]) {
      await mountConfigMap(at("mount"), version, { "a.yaml": tlsRoute("a", `${version.slice(5)}.example.com`) })
      expect(hostnames(await next())).toEqual([`${version.slice(5)}.example.com`])
    }
  })

  test("follows a link to a directory that is pointed elsewhere", async () => {
    for (const release of ["one", "two"]) {
      await mkdir(at(release))
      await writeFile(at(`${release}/a.yaml`), tlsRoute("a", `${release}.example.com`))
    }
    await symlink("one", at("current"))
    const { next } = follow(at("current"))
    expect(hostnames(await next())).toEqual(["one.example.com"])
    await symlink("two", at("next"))
    await rename(at("next"), at("current"))
    expect(hostnames(await next())).toEqual(["two.example.com"])
  })

  test("follows files that come to a directory and go from it", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a"))
    const { next, until } = follow(directory)
    expect(routeNames(await next())).toEqual(["a"])
    await writeFile(at("b.yaml"), tlsRoute("b"))
    expect(routeNames(await until((resources) => resources.tlsRoutes?.length === 2))).toEqual(["a", "b"])
    await unlink(at("a.yaml"))
    expect(routeNames(await next())).toEqual(["b"])
  })

  test("sees by looking what no notification tells, also a change that leaves size and time as they were", async () => {
    await mkdir(at("elsewhere/deep"), { recursive: true })
    await writeFile(at("elsewhere/deep/a.yaml"), tlsRoute("a", "one.example.com"))
    // The watched directories hold neither the link in the middle nor what it points to.
    await mkdir(at("links"))
    await symlink("../elsewhere/deep", at("links/middle"))
    await symlink("links/middle/a.yaml", at("a.yaml"))
    await mkdir(at("other"))
    await writeFile(at("other/a.yaml"), tlsRoute("a", "two.example.com"))
    const { mtime, atime, size } = await stat(at("elsewhere/deep/a.yaml"))
    await utimes(at("other/a.yaml"), atime, mtime)
    expect((await stat(at("other/a.yaml"))).size).toBe(size)
    const { next } = follow(at("a.yaml"), { debounce: 10, pollInterval: 50 })
    expect(hostnames(await next())).toEqual(["one.example.com"])
    await symlink("../other", at("links/next"))
    await rename(at("links/next"), at("links/middle"))
    expect(hostnames(await next())).toEqual(["two.example.com"])
  })

  test("loses no change while the last snapshot is still being applied", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a", "host-0.example.com"))
    const { next } = follow(at("a.yaml"))
    await next()
    for (const version of [1, 2, 3]) await writeFile(at("a.yaml"), tlsRoute("a", `host-${version}.example.com`))
    expect(hostnames(await next())).toEqual(["host-3.example.com"])
  })

  test("keeps the identity of objects whose text did not change", async () => {
    await writeFile(at("a.yaml"), `${tlsRoute("a")}---\n${tlsRoute("b")}`)
    await writeFile(at("c.json"), '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c"}}')
    const { next } = follow(directory)
    const before = await next()
    await writeFile(at("a.yaml"), `# moved down\n${tlsRoute("a")}---\n${tlsRoute("b", "other.example.com")}`)
    const after = await next()
    expect(hostnames(after)).toEqual(["a.example.com", "other.example.com"])
    expect(after.tlsRoutes?.[0]).toBe(before.tlsRoutes?.[0])
    expect(after.services).toBe(before.services)
  })

  test("keeps the identity of the items of a List that say the same, and of an object that moves to another file", async () => {
    const list = (names: string[]) =>
      JSON.stringify({
        apiVersion: "v1",
        kind: "List",
        items: names.map((name) => ({ apiVersion: "v1", kind: "Service", metadata: { name } })),
      })
    await writeFile(at("list.json"), list(["a", "b"]))
    const { next, until } = follow(directory)
    const before = await next()
    await writeFile(at("list.json"), list(["a", "b", "c"]))
    const after = await next()
    expect(after.services?.slice(0, 2).every((service, index) => service === before.services?.[index])).toBe(true)
    await rename(at("list.json"), at("moved.json"))
    await writeFile(at("z.json"), list(["d"]))
    const moved = await until((resources) => resources.services?.length === 4)
    expect(moved.services?.[0]).toBe(before.services?.[0])
  })

  test("yields nothing for a change that says the same", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a"))
    const { next } = follow(at("a.yaml"))
    await next()
    await writeFile(at("a.yaml"), `# a comment\n${tlsRoute("a")}`)
    const following = next()
    const settled = await Promise.race([
      following.then(() => "yielded"),
      new Promise((resolve) => setTimeout(resolve, 300, "quiet")),
    ])
    expect(settled).toBe("quiet")
    await writeFile(at("a.yaml"), tlsRoute("b"))
    expect(routeNames(await following)).toEqual(["b"])
  })

  test("keeps the last good version of a file that breaks, and says where it is broken", async () => {
    await writeFile(at("a.yaml"), `${tlsRoute("a")}---\n${tlsRoute("b")}`)
    await writeFile(at("c.yaml"), tlsRoute("c"))
    const { next } = follow(directory)
    const before = await next()
    await writeFile(at("a.yaml"), `${tlsRoute("a", "new.example.com")}---\nkind: "TLSRoute\n`)
    const broken = await next()
    expect(broken.tlsRoutes).toBe(before.tlsRoutes)
    expect(broken.problems).toMatchObject([
      {
        severity: "error",
        code: "InvalidYaml",
        message: expect.stringContaining("the last good version of the file stays in force"),
        location: { file: at("a.yaml"), line: 15 },
      },
    ])
    await writeFile(at("a.yaml"), tlsRoute("a", "new.example.com"))
    const mended = await next()
    expect(hostnames(mended)).toEqual(["new.example.com", "c.example.com"])
    expect(mended.problems).toBeUndefined()
  })

  test("keeps the last good version while an object in the file is none", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a"))
    const { next } = follow(at("a.yaml"))
    await next()
    await writeFile(at("a.yaml"), "apiVersion: gateway.networking.k8s.io/v1\n")
    const broken = await next()
    expect(routeNames(broken)).toEqual(["a"])
    expect(broken.problems).toMatchObject([{ code: "InvalidObject", location: { line: 1, column: 1 } }])
  })

  test("keeps the last good version of a file that was cut to nothing, until it says something or is deleted", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a"))
    await writeFile(at("b.yaml"), tlsRoute("b"))
    const { next } = follow(directory)
    const before = await next()
    await writeFile(at("a.yaml"), "\n")
    const emptied = await next()
    expect(emptied.tlsRoutes).toBe(before.tlsRoutes)
    expect(emptied.problems).toMatchObject([
      {
        severity: "error",
        code: "EmptyFile",
        message: expect.stringContaining("its last good version stays in force"),
        location: { file: at("a.yaml") },
      },
    ])
    await writeFile(at("a.yaml"), "# no route any more\n")
    expect(routeNames(await next())).toEqual(["b"])
    await writeFile(at("a.yaml"), tlsRoute("a", "new.example.com"))
    expect(hostnames(await next())).toEqual(["new.example.com", "b.example.com"])
    await writeFile(at("b.yaml"), "")
    expect(routeNames(await next())).toEqual(["a", "b"])
    await rm(at("b.yaml"))
    expect(routeNames(await next())).toEqual(["a"])
  })

  test.each([
    ["TLSRoute", "TLSroute", "gateway.networking.k8s.io"],
    ["Service", "Servce", "the core group"],
    ["EndpointSlice", "EndpointSlices", "discovery.k8s.io"],
  ])("keeps the last good version of a file in which the kind %s is misspelt as %s", async (kind, misspelt, group) => {
    const apiVersion = { Service: "v1", EndpointSlice: "discovery.k8s.io/v1" }[kind] ?? "gateway.networking.k8s.io/v1"
    const object = `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: x}\n`
    await writeFile(at("a.yaml"), `${tlsRoute("a")}---\n${object}`)
    const { next } = follow(at("a.yaml"))
    const { problems: _, ...before } = await next()
    await writeFile(at("a.yaml"), `# edited\n${tlsRoute("a")}---\n${object.replace(kind, misspelt)}`)
    const { problems, ...after } = await next()
    expect(after).toEqual(before)
    const line = tlsRoute("a").split("\n").length + 3
    const told = `there is no kind ${misspelt} in ${group}; did you mean ${kind}?; the last good version of the file stays in force`
    expect(problems).toMatchObject([{ code: "UnknownKind", message: told, location: { file: at("a.yaml"), line } }])
    await writeFile(at("a.yaml"), `${tlsRoute("b")}---\n${object}`)
    const mended = await next()
    expect(routeNames(mended)).toContain("b")
    expect(mended.problems).toBeUndefined()
  })

  test("keeps the last version of a file in whose place an empty directory stands", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a"))
    const { until } = follow(at("a.yaml"))
    await until((resources) => routeNames(resources).length === 1)
    await rm(at("a.yaml"))
    await mkdir(at("a.yaml"))
    const replaced = await until(({ problems }) => problems?.[0]?.message.includes("directory") ?? false)
    expect(routeNames(replaced)).toEqual(["a"])
    expect(replaced.problems).toMatchObject([{ severity: "error", code: "UnreadableFile" }])
  })

  test("waits for the writer of a pipe at the start, and for that of no later one", async () => {
    execFileSync("mkfifo", [at("pipe"), at("late.yaml")])
    const { next, until } = follow([at("pipe"), at("routes"), at("late")], { ...byNotification, allowMissing: true })
    const first = next()
    await writeFile(at("pipe"), tlsRoute("a"))
    expect(routeNames(await first)).toEqual(["a"])
    await rename(at("late.yaml"), at("late"))
    const late = await until(({ problems }) => problems?.some(({ message }) => message.includes("a pipe")) ?? false)
    expect(routeNames(late)).toEqual(["a"])
    await mkdir(at("routes"))
    await writeFile(at("routes/b.yaml"), tlsRoute("b"))
    expect(routeNames(await until((resources) => routeNames(resources).length === 2))).toEqual(["a", "b"])
  })

  test("takes the sound documents of a file that is broken from the start", async () => {
    await writeFile(at("a.yaml"), `${tlsRoute("a")}---\nx: [\n---\n${tlsRoute("b")}`)
    const { next } = follow(at("a.yaml"))
    const first = await next()
    expect(routeNames(first)).toEqual(["a", "b"])
    expect(first.problems).toMatchObject([{ code: "InvalidYaml", location: { file: at("a.yaml") } }])
    await writeFile(at("a.yaml"), `${tlsRoute("a")}---\nx: [\n---\n${tlsRoute("c")}`)
    expect(routeNames(await next())).toEqual(["a", "c"])
  })

  test("keeps the objects of a named path that disappears, reports it, and takes it up again", async () => {
    await mkdir(at("routes"))
    await writeFile(at("routes/a.yaml"), tlsRoute("a"))
    await writeFile(at("b.yaml"), tlsRoute("b"))
    const { next, until } = follow([at("routes"), at("b.yaml")])
    await next()
    await rm(at("b.yaml"))
    const without = await next()
    expect(routeNames(without)).toEqual(["a", "b"])
    expect(without.problems).toMatchObject([{ code: "UnreadableFile", location: { file: at("b.yaml") } }])
    await rename(at("routes"), at("away"))
    expect(routeNames(await until(({ problems }) => problems?.length === 2))).toEqual(["a", "b"])
    await mkdir(at("routes"))
    await writeFile(at("routes/c.yaml"), tlsRoute("c"))
    await writeFile(at("b.yaml"), tlsRoute("b2"))
    await until((resources) => routeNames(resources).join() === "c,b2" && resources.problems === undefined)
    // A directory made anew is another inode: it must be watched, too.
    await writeFile(at("routes/d.yaml"), tlsRoute("d"))
    expect(routeNames(await next())).toEqual(["c", "d", "b2"])
  })

  test.skipIf(process.getuid?.() === 0)(
    "keeps the objects of a file that becomes unreadable (root reads anyway)",
    async () => {
      await writeFile(at("a.yaml"), tlsRoute("a"))
      const { next } = follow(at("a.yaml"))
      await next()
      await chmod(at("a.yaml"), 0)
      const unreadable = await next()
      expect(routeNames(unreadable)).toEqual(["a"])
      expect(unreadable.problems).toMatchObject([{ message: expect.stringContaining("permission denied") }])
    },
  )

  test("keeps the last good version of a file that grows over the limit or stops being text", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a"))
    const { next } = follow(at("a.yaml"), { ...byNotification, maxFileBytes: 1_000 })
    await next()
    await appendFile(at("a.yaml"), `# ${"x".repeat(1_000)}\n`)
    const large = await next()
    expect(routeNames(large)).toEqual(["a"])
    expect(large.problems?.[0]?.message).toContain("larger than the limit of 1000 bytes")
    await writeFile(at("a.yaml"), Buffer.from([0x61, 0x3a, 0xff]))
    const binary = await next()
    expect(routeNames(binary)).toEqual(["a"])
    expect(binary.problems?.[0]?.message).toContain("not UTF-8 text")
  })

  test("puts the last of two definitions of an object in force and reports the other", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a", "first.example.com"))
    await writeFile(at("b.yaml"), `# again\n---\n${tlsRoute("a", "second.example.com")}`)
    const resources = await follow(directory).next()
    expect(hostnames(resources)).toEqual(["second.example.com"])
    expect(resources.problems).toMatchObject([
      {
        severity: "error",
        code: "DuplicateObject",
        object: { kind: "TLSRoute", namespace: "shop", name: "a" },
        location: { file: at("a.yaml"), line: 1 },
      },
    ])
  })

  test("reads a file with nothing in it", async () => {
    await writeFile(at("a.yaml"), "")
    const problems = [
      {
        severity: "warning",
        code: "EmptyFile",
        path: "",
        message: "there is no object in it",
        location: { file: at("a.yaml") },
      },
    ]
    expect(await follow(at("a.yaml")).next()).toEqual({ problems })
  })

  test("warns of a directory without a manifest, until there is one", async () => {
    await mkdir(at("empty"))
    await mkdir(at("empty/routes.yaml"))
    await writeFile(at("empty/routes.yml.tmpl"), tlsRoute("a"))
    const { next } = follow(at("empty"))
    expect(await next()).toEqual({
      problems: [
        {
          severity: "warning",
          code: "EmptyDirectory",
          path: "",
          message: "there is no .yaml, .yml or .json file in it; directories in it are not read",
          location: { file: at("empty") },
        },
      ],
    })
    await writeFile(at("empty/a.yaml"), tlsRoute("a"))
    const filled = await next()
    expect(routeNames(filled)).toEqual(["a"])
    expect(filled.problems).toBeUndefined()
  })

  test("throws when a named path does not exist at the start", async () => {
    await expect(follow(at("nowhere.yaml")).iterator.next()).rejects.toMatchObject({
      name: "SourceError",
      code: "ERR_TLSROUTE_PATH_NOT_FOUND",
      message: `${at("nowhere.yaml")}: no such file or directory`,
    })
  })

  test("ends when the signal aborts, and at once when it has", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a"))
    const { next, iterator } = follow(at("a.yaml"))
    await next()
    const end = iterator.next()
    stop.abort()
    expect((await end).done).toBe(true)
    expect((await follow(at("a.yaml")).iterator.next()).done).toBe(true)
  })

  test("tells where a field stands in the version in force", async () => {
    await writeFile(at("a.yaml"), tlsRoute("a"))
    const { source, next } = follow(at("a.yaml"))
    const route = { group: "gateway.networking.k8s.io", kind: "TLSRoute", namespace: "shop", name: "a" }
    expect(source.locate(route, "spec.hostnames[0]")).toBeUndefined()
    await next()
    expect(source.locate(route, "spec.hostnames[0]")).toEqual({ file: at("a.yaml"), line: 8, column: 7 })
    await writeFile(at("a.yaml"), `---\n${tlsRoute("b")}---\n\n${tlsRoute("a", "other.example.com")}`)
    await next()
    expect(source.locate(route, "spec.hostnames[0]")).toEqual({ file: at("a.yaml"), line: 23, column: 7 })
  })
})

describe("readResources", () => {
  const route = { group: "gateway.networking.k8s.io", kind: "TLSRoute", namespace: "shop", name: "b" }

  test("reads once, and tells where objects and their fields stand", async () => {
    await writeFile(at("a.yaml"), `${tlsRoute("a")}---\n# the second\n${tlsRoute("b")}`)
    const { resources, locate } = await readResources(at("a.yaml"))
    expect(routeNames(resources)).toEqual(["a", "b"])
    expect(locate(route, "")).toEqual({ file: at("a.yaml"), line: 15, column: 1 })
    expect(locate(route, "spec.rules[0].backendRefs[0].port")).toEqual({ file: at("a.yaml"), line: 26, column: 17 })
    expect(locate({ ...route, name: "nothing" }, "")).toBeUndefined()
  })

  test("finds an object written without a namespace by the default namespace routing gave it", async () => {
    await writeFile(at("a.yaml"), tlsRoute("b").replace("  namespace: shop\n", ""))
    const { locate } = await readResources(at("a.yaml"))
    expect(locate({ ...route, namespace: "httpbin" }, "spec.hostnames[0]")?.line).toBe(7)
  })

  test("finds a field in an item of a List", async () => {
    const items = tlsRoute("b").trimEnd().replaceAll("\n", "\n    ")
    await writeFile(at("a.yaml"), `apiVersion: v1\nkind: List\nitems:\n  - ${items}\n`)
    const { locate } = await readResources(at("a.yaml"))
    expect(locate(route, "spec.hostnames[0]")).toEqual({ file: at("a.yaml"), line: 11, column: 11 })
  })

  test.each([["/nowhere.yaml"], [""]])("throws when the path %j does not exist", async (path) => {
    await expect(readResources([path])).rejects.toMatchObject({ code: "ERR_TLSROUTE_PATH_NOT_FOUND" })
  })

  test("reads a file named - when it is called ./-, which is not standard input", async () => {
    await writeFile(at("-"), tlsRoute("dash"))
    const before = process.cwd()
    try {
      process.chdir(directory)
      const { resources, locate } = await readResources("./-")
      expect(routeNames(resources)).toEqual(["dash"])
      expect(locate({ ...route, name: "dash" }, "")?.file).toBe("./-")
    } finally {
      process.chdir(before)
    }
  })
})
