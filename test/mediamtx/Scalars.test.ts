import * as Duration from "effect/Duration"
import * as FC from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import * as Enums from "../../src/mediamtx/ConfigEnums.js"
import {
  AlwaysAvailableTrackType,
  AuthInternalUserType,
  ForwardDestinationType,
  IceServerType
} from "../../src/mediamtx/ConfigObjects.js"
import { Credential, isHashedCredential, isPlainCredential } from "../../src/mediamtx/Credential.js"
import { didYouMean } from "../../src/mediamtx/DidYouMean.js"
import { type AnyFieldType, boolean, float, int, list, text, uint } from "../../src/mediamtx/FieldType.js"
import {
  GoDuration,
  goDurationFrom,
  goDurationFromNanos,
  goDurationToDuration,
  goDurationToNanos
} from "../../src/mediamtx/GoDuration.js"
import { type GoUrl, parseGoUrl, redactUrl } from "../../src/mediamtx/GoUrl.js"
import { HookCommand, splitHookCommand } from "../../src/mediamtx/HookCommand.js"
import { IpNetwork, networkContains, parseIp, parseIpNetwork } from "../../src/mediamtx/IpNetwork.js"
import { PathName, staticPathNameProblem } from "../../src/mediamtx/PathName.js"
import { compileRe2, Re2Pattern } from "../../src/mediamtx/Re2.js"
import { StringSize, stringSizeFromBytes, stringSizeToBytes } from "../../src/mediamtx/StringSize.js"

const check = (property: Parameters<typeof FC.assert>[0]) => FC.assert(property)

/** Text made of pieces that matter to a syntax, so that good and nearly good ones are common. */
const soup = (...pieces: ReadonlyArray<string>) =>
  FC.array(FC.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(""))

const anything = FC.oneof(
  FC.anything({ maxDepth: 2 }),
  FC.string(),
  FC.constantFrom(null, undefined, true, 0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "", [], {})
)

describe("GoDuration", () => {
  it.each([
    ["10s", 10_000_000_000n],
    ["1h30m", 5_400_000_000_000n],
    ["1d", 86_400_000_000_000n],
    ["1d2h", 93_600_000_000_000n],
    ["-1d2h", -93_600_000_000_000n],
    ["2d-1h", 169_200_000_000_000n],
    ["-0d5h", 18_000_000_000_000n],
    ["200ms", 200_000_000n],
    ["1.5h", 5_400_000_000_000n],
    [".5s", 500_000_000n],
    ["5.s", 5_000_000_000n],
    ["0", 0n],
    ["", 0n],
    ["+3us", 3_000n],
    ["3\u00b5s", 3_000n],
    ["3\u03bcs", 3_000n],
    ["1m1m", 120_000_000_000n],
    ["-9223372036854775808ns", -9_223_372_036_854_775_808n]
  ])("reads %j", (value, nanos) => {
    expect(goDurationToNanos(value)).toBe(nanos)
    expect(GoDuration.check(value)).toBeUndefined()
  })

  it.each([
    "10",
    "10 s",
    " 10s",
    "1w",
    "d",
    "1h2d",
    "s",
    ".s",
    "1,5h",
    "1e3s",
    "10S",
    "--1s",
    "-",
    "106752d",
    "9223372036854775808ns"
  ])("refuses %j", (value) => {
    expect(goDurationToNanos(value)).toBeUndefined()
    expect(GoDuration.check(value)).toHaveLength(1)
  })

  it("writes what it reads back, for every int64", () => {
    check(
      FC.property(FC.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }), (nanos) => {
        expect(goDurationToNanos(goDurationFromNanos(nanos))).toBe(nanos)
      })
    )
  })

  it("writes the shortest form", () => {
    expect(goDurationFromNanos(0n)).toBe("0s")
    expect(goDurationFrom("1 day")).toBe("1d")
    expect(goDurationFrom("90 minutes")).toBe("1h30m")
    expect(goDurationFrom("26 hours")).toBe("1d2h")
    expect(goDurationFrom("200 millis")).toBe("200ms")
    expect(goDurationFrom(1500)).toBe("1.5s")
    expect(goDurationFrom(Duration.infinity)).toBe(goDurationFromNanos(2n ** 63n))
  })

  it("is an Effect Duration, never a negative one", () => {
    expect(Duration.toMillis(goDurationToDuration("1d") ?? Duration.infinity)).toBe(86_400_000)
    expect(Duration.toMillis(goDurationToDuration("-1d") ?? Duration.infinity)).toBe(0)
    expect(goDurationToDuration("1 d")).toBeUndefined()
  })

  it("takes hostile text without delay", () => {
    const start = performance.now()
    expect(goDurationToNanos("1".repeat(100_000))).toBeUndefined()
    expect(goDurationToNanos(`${"1h".repeat(50_000)}x`)).toBeUndefined()
    expect(performance.now() - start).toBeLessThan(500)
  })
})

describe("StringSize", () => {
  it.each([
    ["50M", 52_428_800],
    ["50MB", 52_428_800],
    ["50MiB", 52_428_800],
    ["50mib", 52_428_800],
    ["1.5K", 1536],
    [" 512B ", 512],
    ["0B", 0],
    ["1G", 2 ** 30],
    ["2T", 2 ** 41],
    ["3P", 3 * 2 ** 50],
    ["1E", 2 ** 60]
  ])("reads %j", (value, bytes) => {
    expect(stringSizeToBytes(value)).toBe(bytes)
    expect(StringSize.check(value)).toBeUndefined()
  })

  it.each(["", "50", "M", "-1M", "50 M", "50X", "50IB", "1e3K", "16E", "1_0M"])("refuses %j", (value) => {
    expect(stringSizeToBytes(value)).toBeUndefined()
    expect(StringSize.check(value)).toHaveLength(1)
  })

  it("writes what it reads back", () => {
    check(
      FC.property(FC.maxSafeNat(), (bytes) => {
        expect(stringSizeToBytes(stringSizeFromBytes(bytes))).toBe(bytes)
      })
    )
    expect(stringSizeFromBytes(50 * 2 ** 20)).toBe("50M")
  })
})

describe("Credential", () => {
  const hash = "argon2:$argon2id$v=19$m=4096,t=3,p=1$MTIzNDU2Nzg$Ux/LWeTgJQPyfMMJo1myR64+o8rALHoPmlE1i/TR+58"
  it.each(["", "user", "a!$()*+.;<=>[]^_-{}@#&9", "sha256:rl3rgi4NcZkpAEcacZnQ2VuOfJ0FxAqCRaKB/SwdZoQ=", hash])(
    "takes %j",
    (value) => expect(Credential.check(value)).toBeUndefined()
  )
  it.each([
    "a b",
    "a:b",
    "a/b",
    "\u00e9",
    "a\n",
    "sha256:",
    "sha256:%",
    "argon2:",
    "argon2:x",
    hash.slice(0, -60),
    hash.replace("t=3", "t=0"),
    hash.replace("p=1", "p=256"),
    hash.replace("argon2id", "argon2x")
  ])("refuses %j without showing it", (value) => {
    const [found] = Credential.check(value) ?? []
    expect(found?.rule).toBe("invalid-credential")
    if (value.length > 20) expect(JSON.stringify(found)).not.toContain(value.slice(-20))
  })
  it("takes a plain text exactly if all of its characters are allowed", () => {
    check(
      FC.property(FC.string({ minLength: 1 }), (value) => {
        const allowed = [...value].every((char) => /[a-zA-Z0-9!$()*+.;<=>[\]^_\-{}@#&]/.test(char))
        expect(Credential.check(value) === undefined).toBe(allowed)
        expect(isPlainCredential(value)).toBe(allowed)
      })
    )
  })
  it("knows a hash", () => {
    expect([hash, "sha256:x", "x", ""].map(isHashedCredential)).toEqual([true, true, false, false])
  })
})

describe("IpNetwork", () => {
  it.each([
    "10.0.0.7",
    "0.0.0.0/0",
    "192.168.0.0/16",
    "::1",
    "::",
    "fd00::/8",
    "1:2:3:4:5:6:7::",
    "::ffff:1.2.3.4",
    "::ffff:1.2.3.4/96",
    "1.2.3.4/08"
  ])("takes %j", (value) => expect(IpNetwork.check(value)).toBeUndefined())
  it.each([
    "",
    "10.0.0",
    "10.0.0.256",
    "10.0.0.01",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "::1/129",
    ":::",
    "1::2::3",
    "fe80::1%eth0",
    "localhost",
    " ::1",
    "12345::"
  ])("refuses %j", (value) => expect(IpNetwork.check(value)).toHaveLength(1))
  it("takes every address and knows it to be inside of all its networks", () => {
    check(
      FC.property(FC.oneof(FC.ipV4(), FC.ipV6()), FC.nat(128), (ip, size) => {
        const address = parseIp(ip)
        const network = parseIpNetwork(`${ip}/${ip.includes(":") ? size : size % 33}`)
        if (address === undefined || network === undefined) throw new Error(`${ip} was refused`)
        // A short prefix over a mapped IPv4 address is a network of IPv6.
        expect(networkContains(network, address)).toBe(network.family === address.family)
      })
    )
  })
  it.each([
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["0.0.0.0/0", "::1", false],
    ["::/0", "1.2.3.4", false],
    ["1.2.3.4", "::ffff:1.2.3.4", true],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false]
  ])("%s contains %s: %s", (network, ip, expected) => {
    const parsed = parseIpNetwork(network)
    const address = parseIp(ip)
    expect(parsed !== undefined && address !== undefined && networkContains(parsed, address)).toBe(expected)
  })
})

describe("Re2", () => {
  it.each(["^cam(.*)$", "(?i)x", "(?P<n>a)", "(?<n>a)", "\\p{Greek}", "[[:alpha:]]", "a{1000}", ""])(
    "takes %j",
    (value) => expect(Re2Pattern.check(value)).toBeUndefined()
  )
  it.each(["^(?!x)", "(?<=a)b", "\\1", "a{1001}", "(", "[z-a]", "a**", "\\Z", "(?x)a", "*"])("refuses %j", (value) =>
    expect(Re2Pattern.check(value)?.[0]?.rule).toBe("invalid-regex")
  )
  it("matches in linear time what would hang a backtracking engine", () => {
    const pattern = compileRe2("^(a+)+$")
    if (typeof pattern === "string") throw new Error(pattern)
    const start = performance.now()
    expect(pattern.match(`${"a".repeat(5000)}!`)).toBeUndefined()
    expect(performance.now() - start).toBeLessThan(2000)
    expect(pattern.match("aaa")).toEqual(["aaa", "aaa"])
  })
  it("finds literal text anywhere, like MediaMTX", () => {
    check(
      FC.property(FC.stringMatching(/^[a-z]{1,5}$/), FC.stringMatching(/^[a-z/]{0,5}$/), (needle, hay) => {
        const pattern = compileRe2(needle)
        if (typeof pattern === "string") throw new Error(pattern)
        expect(pattern.match(`${hay}${needle}${hay}`)).toEqual([needle])
      })
    )
  })
})

describe("PathName", () => {
  it.each(["cam", "a/b/c", "a.b", "..a", "-x", "A_9", "0", "~^cam(.*)$", "~", "all", "all_others"])(
    "takes %j",
    (value) => expect(PathName.check(value)).toBeUndefined()
  )
  it.each(["", "/a", "a/", "a b", "a/./b", "..", "a/..", "\u00e9", "a?b", "a\n", "~(", "~^(?!x)"])(
    "refuses %j",
    (value) => expect(PathName.check(value)).toHaveLength(1)
  )
  it("takes joined segments exactly if each is a plain word", () => {
    check(
      FC.property(FC.array(soup("a", "Z", "9", "_", "-", ".", "", " "), { minLength: 1 }), (segments) => {
        const whole = segments.join("/")
        const fine =
          !whole.startsWith("/") &&
          !whole.endsWith("/") &&
          whole !== "" &&
          !whole.includes(" ") &&
          segments.every((segment) => segment !== "." && segment !== "..")
        expect(staticPathNameProblem(whole) === undefined).toBe(fine)
      })
    )
  })
})

describe("HookCommand", () => {
  it.each([
    ["", []],
    ["a  b\tc\nd", ["a", "b", "c", "d"]],
    ["'a b' \"c d\"", ["a b", "c d"]],
    ["a'b'\"c\"d", ["abcd"]],
    ["''", [""]],
    ['"\\$x \\n \\""', ['$x \\n "']],
    ["a\\ b", ["a b"]],
    ["a\\\nb", ["ab"]],
    ["sh -c 'echo \"$X\" > f'", ["sh", "-c", 'echo "$X" > f']]
  ])("splits %j", (command, words) => expect(splitHookCommand(command)).toEqual(words))

  it.each(["'a", '"a', "a\\", '"a\\"', "a 'b", " ", "\t\n", "'' x"])("refuses %j", (value) =>
    expect(HookCommand.check(value)).toHaveLength(1)
  )

  it("gives back every word that is put in single quotes", () => {
    check(
      FC.property(FC.array(FC.string(), { minLength: 1 }), (words) => {
        const quoted = words.map((word) => `'${word.replaceAll("'", `'"'"'`)}'`).join(" ")
        expect(splitHookCommand(quoted)).toEqual(words)
      })
    )
  })
})

describe("GoUrl", () => {
  const host = (text: string) => {
    const url = parseGoUrl(text)
    return typeof url === "string" ? undefined : url.host
  }
  it.each([
    ["rtsp://h", "h"],
    ["RTSP://user:p%40ss@[::1]:554/x?y#z", "[::1]:554"],
    ["rtsp://a@b@h/x", "h"],
    ["rtsp://h:1:2", "h:1:2"],
    ["rtsp://h%25x", "h%25x"],
    ["mailto:x", ""],
    ["/x", ""]
  ])("reads %j", (text, expected) => expect(host(text)).toBe(expected))
  it.each([
    "rtsp://h:port",
    "http://h:1:2",
    "rtsp://[::1",
    "rtsp://a[b",
    "rtsp://[1.2.3.4]",
    "rtsp://h h",
    "rtsp://h/%zz",
    "rtsp://u^:p@h",
    ":x",
    "a b:c",
    "rtsp://h\n",
    "rtsp://h%20/"
  ])("refuses %j", (text) => expect(typeof parseGoUrl(text)).toBe("string"))
  it("takes every web URL as the platform does", () => {
    check(
      FC.property(FC.webUrl({ withQueryParameters: true, withFragments: true }), (text) => {
        const url: GoUrl | string = parseGoUrl(text)
        if (typeof url === "string") throw new Error(url)
        const authority = /^[^:]+:\/\/([^/?#]*)/.exec(text)?.[1]
        expect(url.host).toBe(authority?.slice(authority.lastIndexOf("@") + 1))
      })
    )
  })
  it("is shown without user, password, path or query", () => {
    check(
      FC.property(FC.stringMatching(/^[a-z0-9#/?%:]{1,12}$/), (middle) => {
        const secret = `SECRET${middle}SECRET`
        for (const text of [
          `rtsp://u:${secret}@h/x`,
          `rtsp://${secret}@h`,
          `rtmp://h/app/${secret}`,
          `http://h?t=${secret}`
        ]) {
          expect(redactUrl(text)).not.toMatch(/SECRET/)
        }
      })
    )
  })
})

describe("didYouMean", () => {
  it("finds a name with one typo", () => {
    const names = ["recordPath", "runOnRead", "sourceOnDemand"]
    check(
      FC.property(FC.constantFrom(...names), FC.nat(), (name, at) => {
        const index = at % name.length
        expect(didYouMean(name.slice(0, index) + name.slice(index + 1), names)).toBe(name)
        expect(didYouMean(name.toUpperCase(), names)).toBe(name)
      })
    )
    expect(didYouMean("somethingElse", names)).toBeUndefined()
  })
})

describe("every type's Schema and check", () => {
  const types: ReadonlyArray<readonly [string, AnyFieldType, FC.Arbitrary<unknown>]> = [
    ["boolean", boolean, FC.constantFrom(true, false, "true", "yes", 0)],
    ["int", int, FC.oneof(FC.integer(), FC.double())],
    ["uint", uint, FC.oneof(FC.integer(), FC.double())],
    ["float", float, FC.double()],
    ["text", text, FC.string()],
    ["duration", GoDuration, soup("1", "0", ".", "d", "h", "ms", "s", "-", " ")],
    [
      "size",
      StringSize,
      // Few of the soups are sizes: some good ones, so that the test never lives by chance.
      FC.oneof(soup("1", "0", ".", "K", "MB", "iB", "B", "-", " "), FC.constantFrom("50M", "1.5GiB", "100B"))
    ],
    ["credential", Credential, soup("a", "sha256:", "argon2:", "$", " ", "=")],
    ["network", IpNetwork, FC.oneof(FC.ipV4(), FC.ipV6(), soup("1", ".", ":", "/", "8"))],
    ["regex", Re2Pattern, soup("a", "(", ")", "*", "[", "]", "?", "\\")],
    ["path name", PathName, soup("a", "/", ".", "~", " ", "(")],
    ["command", HookCommand, soup("a", " ", "'", '"', "\\")],
    ["list", list(int), FC.array(FC.oneof(FC.integer(), FC.string()))],
    [
      "user",
      AuthInternalUserType,
      FC.record(
        {
          user: FC.constantFrom("a", "a b", 7),
          pass: FC.constantFrom("", "x"),
          ips: FC.array(FC.constantFrom("::1", "x")),
          permissions: FC.array(
            FC.record({ action: FC.constantFrom("read", "write"), path: FC.constant("") }, { requiredKeys: [] })
          )
        },
        { requiredKeys: [] }
      )
    ],
    [
      "ICE server",
      IceServerType,
      FC.record({ url: FC.constantFrom("x", 1), clientOnly: FC.constantFrom(true, 1) }, { requiredKeys: [] })
    ],
    [
      "track",
      AlwaysAvailableTrackType,
      FC.record(
        {
          codec: FC.constantFrom(...Enums.TrackCodec.words, "H266"),
          sampleRate: FC.constantFrom(0, 7999, 8000, 22049, 22050),
          channelCount: FC.constantFrom(0, 1),
          muLaw: FC.boolean()
        },
        { requiredKeys: [] }
      )
    ],
    ["forward", ForwardDestinationType, FC.record({ dest: FC.constantFrom("x", 1) }, { requiredKeys: [] })],
    ...Object.entries(Enums).map(
      ([name, type]) => [name, type, FC.constantFrom(...type.words, "", "x", type.words[0].toUpperCase())] as const
    )
  ]
  it.each(types)("accept and refuse the same: %s", (_, type, near) => {
    const is = Schema.is(type.schema)
    // A Schema takes and drops unknown names of objects, which the check refuses: see MediaMTXConfigSchema for those.
    const inputs =
      type.json === "object"
        ? FC.oneof(near, FC.string(), FC.integer(), FC.constant([]))
        : FC.oneof(near, near, anything)
    let taken = 0
    FC.assert(
      FC.property(inputs, (value) => {
        const fine = type.check(value) === undefined
        if (fine) taken++
        expect([value, is(value)]).toEqual([value, fine])
      }),
      { numRuns: 200 }
    )
    expect(taken).toBeGreaterThan(0)
  })
})
