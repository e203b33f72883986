import Foundation
import Testing

/// Programs that are started with libraries which they know nothing of.
@Suite(
    .timeLimit(.minutes(30)),
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct PreloadedLibraryTests {
    /// libfaketime moves the environment when the first `stat` of the process makes it set a
    /// variable. That look is the Swift runtime's own, which searches its backtracer before it
    /// searches the arguments, by their place in front of the environment's.
    @Test("a preloaded library that moves the environment takes no arguments away")
    func arguments() throws {
        let harness = try CommandLineHarness()
        let library = URL(filePath: TestClock.library).deletingLastPathComponent()
            .appending(path: "libsnapmgr-lookup-fault.so").path
        let result = try harness.run(
            "volume", "list", "--json",
            environment: ["LD_PRELOAD": library, "SNAPMGR_LOOKUP_MOVES_ENVIRONMENT": "1"])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("\"volumes\""), "\(result.output)")
    }

    /// A thread of a copy that goes by the id which the runtime has noted for another process can never give
    /// back a lock for which a second thread waits.
    @Test("threads of a copied program that come to the same value at the same time both go on")
    func copies() throws {
        let program = URL(filePath: TestClock.library).deletingLastPathComponent()
            .appending(path: "snapmgr-command-torture").path
        let result = try CommandLineHarness().tool([program, "copies"])
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test("a test's clock is seen by what a command starts, and by nothing else")
    func clock() throws {
        let harness = try ScheduledHarness("", start: "2031-02-03 04:05:06")
        let seen = try harness.tool(["sh", "-c", "date -u +%F"]).output
        #expect(seen == "2031-02-03\n")
        try harness.setClock("1931-02-03 04:05:06")
        #expect(try harness.tool(["date", "-u", "+%F"]).output == "1931-02-03\n")
        #expect(try harness.commandLine.tool(["date", "-u", "+%Y"]).output > "2025")
    }
}
