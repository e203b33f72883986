import System
import Logging
import Testing

@testable import ServiceLog

struct ServiceLogHandlerTests {
    private final class Lines: Sendable {
        let all = Monitored<[String]>([])

        func logger(_ level: Logger.Level = .notice) -> Logger {
            Logger(
                "test",
                ServiceLogHandler(logLevel: level) { level, line in
                    self.all.withLock { $0.append("\(level): \(line)") }
                })
        }
    }

    @Test("what is below the level is not written")
    func level() {
        let lines = Lines()
        let logger = lines.logger(.warning)
        logger.debug("a")
        logger.notice("b")
        logger.warning("c")
        logger.error("d")
        #expect(lines.all.withLock { $0 } == ["warning: c", "error: d"])
    }

    @Test("metadata stands behind the message, by name, the nearest first")
    func metadata() {
        let lines = Lines()
        var logger = lines.logger()
        logger[metadataKey: "volume"] = "a"
        logger[metadataKey: "client"] = "b"
        logger.notice("opened", metadata: ["volume": "c"])
        #expect(lines.all.withLock { $0 } == ["notice: opened client=b volume=c"])
    }

    @Test("a message is one line, whatever names are in it")
    func oneLine() {
        let lines = Lines()
        lines.logger().notice("export \u{1B}[2Jx\n<3>forged", metadata: ["name": "\n<0>y"])
        #expect(
            lines.all.withLock { $0.allSatisfy { !$0.contains("\n") && !$0.contains("\u{1B}") } })
    }
}
