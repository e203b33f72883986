import DeviceMapper
import Testing

@Suite("Versions")
struct KernelReleaseTests {
    @Test(
        "the numbers at the beginning of a release are its version",
        arguments: [
            ("6.1.0-49-amd64", VersionNumber(6, 1, 0)), ("6.12.9", VersionNumber(6, 12, 9)),
            ("5.10.0-0.bpo.3-amd64", VersionNumber(5, 10, 0)), ("6.6-rc1", VersionNumber(6, 6, 0)),
            ("4.18.0-553.el8.x86_64", VersionNumber(4, 18, 0)), ("7.0+", VersionNumber(7, 0, 0)),
            ("6.1.2.3", VersionNumber(6, 1, 2)),
        ])
    func parses(text: String, version: VersionNumber) {
        #expect(KernelRelease(text: text)?.version == version)
    }

    @Test("what is not a release is none", arguments: ["", "6", "linux", "-6.1", "x6.1"])
    func refuses(text: String) { #expect(KernelRelease(text: text) == nil) }

    @Test("merged data is flushed since 5.11")
    func flushes() throws {
        #expect(try #require(KernelRelease(text: "5.11.0")).flushesMergedData)
        #expect(try #require(KernelRelease(text: "6.1.0-49")).flushesMergedData)
        #expect(!(try #require(KernelRelease(text: "5.10.99")).flushesMergedData))
        #expect(!(try #require(KernelRelease(text: "4.19.0")).flushesMergedData))
    }

    @Test("the running kernel has a release") func current() {
        #expect(KernelRelease.current != nil)
    }

    @Test("versions compare number by number")
    func compares() {
        #expect(VersionNumber(4, 9, 0) < VersionNumber(4, 10, 0))
        #expect(VersionNumber(4, 47, 0) < VersionNumber(4, 47, 1))
        #expect(VersionNumber(text: "4.47.0") == VersionNumber(4, 47, 0))
        #expect(VersionNumber(text: "4.47") == VersionNumber(4, 47, 0))
        for text in ["", "4.", "4.a", "1.2.3.4", "-1"] { #expect(VersionNumber(text: text) == nil) }
    }
}
