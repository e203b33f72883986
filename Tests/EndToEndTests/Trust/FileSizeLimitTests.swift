import Foundation
import Testing

/// What the system lets a process do, and what it says of that.
@Suite(.enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct FileSizeLimitTests {
    @Test(
        "L5, L6: a limit on the size of files ends nothing by a signal, and is told as no full disk"
    )
    func limit() throws {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "data", "--origin", "data.img", "--create-size", "8M")
        try harness.json("snapshot", "data", "--name", "one")
        let result = try harness.tool([
            "bash", "-c", "ulimit -f 2048 && exec \"$0\" export data@one out.img",
            CommandLineHarness.binary,
        ])
        #expect(result.status == 1, "\(result)")
        #expect(result.errors.contains("File too large"), "\(result.errors)")
        #expect(result.errors.contains("ulimit -f"), "\(result.errors)")
        #expect(!result.errors.contains("free space"), "\(result.errors)")
    }
}
