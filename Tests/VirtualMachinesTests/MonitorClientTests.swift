import SnapshotModel
import Synchronization
import System
import TestKit
import Testing

@testable import VirtualMachines

@Suite struct MonitorClientTests {
    private func monitor(
        _ answer: @escaping @Sendable (String) -> String?
    ) throws -> (MonitorClient, ScriptedPeer) {
        let (connection, peer) = try connection(greeting: ScriptedPeer.greeting) { line in
            line.contains("qmp_capabilities")
                ? Array(ScriptedPeer.answer(line).utf8) : answer(line).map { Array($0.utf8) }
        }
        return (try MonitorClient(connection, by: patient), peer)
    }

    @Test func aStatusIsToldInQEMUsWords() throws {
        let (monitor, _) = try monitor { line in
            ScriptedPeer.answer(
                line, #"{"status": "postmigrate", "singlestep": false, "running": false}"#)
        }
        #expect(
            try monitor.status(by: patient)
                == MachineStatus(isRunning: false, word: "postmigrate"))
    }

    @Test func eventsBetweenAreKeptWithTheirTimesAndAreNoAnswers() throws {
        let (monitor, _) = try monitor { line in
            #"{"timestamp": {"seconds": 12, "microseconds": 34}, "event": "STOP"}"# + "\r\n"
                + #"{"timestamp": {"seconds": 9223372036854775807, "microseconds": 1}, "event": "RESUME"}"#
                + "\r\n" + ScriptedPeer.answer(line)
        }
        try monitor.pause(by: patient)
        #expect(monitor.lastEvent("STOP")?.microseconds == 12_000_034)
        #expect(monitor.lastEvent("RESUME")?.microseconds == Int64.max)
        monitor.forgetEvents()
        #expect(monitor.lastEvent("STOP") == nil)
    }

    @Test func networkCardsAreToldFromWhatTheyAreConnectedTo() throws {
        let text =
            #"hub 0\r\n \\ hub0port1: net1: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:57\r\n"#
            + #" \\ hub0port0: user.0: index=0,type=user,net=10.0.2.0,restrict=off\r\n"#
            + #"card0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\r\n"#
            + #" \\ n0: index=0,type=hubport\r\n"#
        let heard = Mutex<[String]>([])
        let (monitor, _) = try monitor { line in
            heard.withLock { $0.append(line) }
            return ScriptedPeer.answer(line, line.contains("info network") ? "\"\(text)\"" : "{}")
        }
        #expect(try monitor.networkCards(by: patient) == ["net1", "card0"])
        try monitor.unplug("card0", by: patient)
        #expect(heard.withLock { $0.last?.contains("set_link") == true })
        #expect(heard.withLock { $0.last?.contains("false") == true })
    }

    @Test func aCopyIsToldNotToAnnounceItself() throws {
        let heard = Mutex<[String]>([])
        let (monitor, _) = try monitor { line in
            heard.withLock { $0.append(line) }
            return ScriptedPeer.answer(line)
        }
        try monitor.beSilent(by: patient)
        let line = heard.withLock { $0.last } ?? ""
        #expect(line.contains("migrate-set-parameters"))
        #expect(line.contains("\"announce-rounds\":0"))
    }

    @Test func whoIsToEndDoesNotWaitForAMigration() throws {
        let (monitor, _) = try monitor { ScriptedPeer.answer($0, #"{"status": "active"}"#) }
        let asked = Mutex(0)
        let found = problem {
            try monitor.waitForMigration(by: patient) { () throws(Problem) in
                let count = asked.withLock { count in
                    count += 1
                    return count
                }
                guard count < 3 else { throw Problem(.interrupted, "enough") }
            }
        }
        #expect(found?.code == .interrupted)
    }

    @Test func anAnswerToSomebodyElseIsPassedOver() throws {
        let (monitor, _) = try monitor { line in
            #"{"return": {"status": "paused", "running": false}, "id": 999}"# + "\r\n"
                + ScriptedPeer.answer(line, #"{"status": "running", "running": true}"#)
        }
        #expect(try monitor.status(by: patient).isRunning)
    }

    @Test func aRefusalHasQEMUsReason() throws {
        let (monitor, _) = try monitor { line in
            #"{"id": "# + ScriptedPeer.id(of: line)
                + #", "error": {"class": "GenericError", "desc": "no such thing"}}"# + "\r\n"
        }
        let problem = problem { try monitor.pause(by: patient) }
        #expect(problem?.code == .failed)
        #expect(problem?.message.contains("no such thing") == true)
    }

    @Test func whoDoesNotGreetIsNoMonitor() throws {
        for greeting in ["", "hello\n", "{}\n", "{\"QMP\": 3}\n", "[1]\n"] {
            let (connection, peer) = try connection(greeting: Array(greeting.utf8)) { _ in [] }
            #expect(throws: Problem.self) { try MonitorClient(connection, by: soon) }
            withExtendedLifetime(peer) {}
        }
    }

    @Test func silenceIsOverByTheDeadline() throws {
        let (monitor, _) = try monitor { _ in "" }
        let clock = SystemClock()
        let start = clock.monotonicNanoseconds()
        let problem = problem { try monitor.pause(by: soon) }
        #expect(problem?.message.contains("does not answer in time") == true)
        #expect(clock.monotonicNanoseconds() - start < 10_000_000_000)
    }

    /// Each byte would start a time-out anew.
    @Test func drippingIsOverByTheDeadline() throws {
        let (near, far) = try LocalSocket.pair()
        let isOver = Atomic(false)
        let drip = BackgroundThread.start(name: "drip") {
            for _ in 0..<800 where !isOver.load(ordering: .relaxed) {
                guard (try? far.send([UInt8(ascii: " ")].span.bytes)) != nil else { return }
                BackgroundThread.sleep(milliseconds: 20)
            }
        }
        defer {
            isOver.store(true, ordering: .relaxed)
            drip.join()
        }
        let connection = MachineConnection(near, subject: "the drip")
        let clock = SystemClock()
        let start = clock.monotonicNanoseconds()
        #expect(throws: Problem.self) { try MonitorClient(connection, by: soon) }
        #expect(clock.monotonicNanoseconds() - start < 10_000_000_000)
    }

    @Test func aLineWithoutEndIsRefusedBeforeItTakesAllMemory() throws {
        let (near, far) = try LocalSocket.pair()
        let flood = BackgroundThread.start(name: "flood") {
            let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 16)
            for _ in 0..<4096 where (try? far.send(piece.span.bytes)) == nil { return }
        }
        let problem = problem {
            _ = try MonitorClient(MachineConnection(near, subject: "the flood"), by: patient)
        }
        #expect(problem?.message.contains("says more than any answer has") == true)
        near.shutDown()
        flood.join()
    }

    @Test func aFloodOfEventsIsNotKept() throws {
        let (monitor, _) = try monitor { line in
            String(
                repeating: #"{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 0}}"#
                    + "\n",
                count: 2000) + ScriptedPeer.answer(line)
        }
        try monitor.pause(by: patient)
        #expect(monitor.events.count == 256)
    }

    @Test func whoEndsTheConnectionIsMissing() throws {
        let (monitor, _) = try monitor { _ in nil }
        #expect(problem { try monitor.pause(by: patient) }?.code == .missing)
        #expect(monitor.waitForEnd(by: patient))
    }

    @Test func nobodyAtASocketIsMissing() throws {
        let folder = TemporaryFolder()
        let problem = problem {
            _ = try MonitorClient.connect(folder.path + "/none", machine: "web", by: soon)
        }
        #expect(problem?.code == .missing)
        #expect(problem?.message.contains("VM web") == true)
    }

    /// A descriptor that is passed is one for the same open file.
    @Test func aDescriptorReachesTheOtherEndWithItsCommand() throws {
        let (near, far) = try LocalSocket.pair()
        let pipe = try DataPipe()
        let bytes = [UInt8]("hello\n".utf8)
        try near.send(bytes.span.bytes, passing: pipe.writer)
        var buffer = [UInt8](repeating: 0, count: 64)
        var elements = buffer.mutableSpan
        var space = elements.mutableBytes
        #expect(try far.receive(into: &space) == bytes.count)
        #expect(Array(buffer[..<bytes.count]) == bytes)
    }

    @Test func whateverBytesComeNothingTrapsAndAllIsOverInTime() throws {
        var random = SeededGenerator(seed: 14)
        let words = [
            "{", "}", "[", "]", "\"QMP\"", ":", ",", "\"return\"", "\"id\"", "1", "-9e999",
            "\"event\"",
            "\"error\"", "\"desc\"", "null", "\"\\u0000\"", "\n", "\r\n", "\u{FF}", " ",
            "9223372036854775808",
        ]
        for _ in 0..<200 {
            let text =
                (0..<Int.random(in: 1...40, using: &random)).map { _ in
                    words.randomElement(using: &random) ?? ""
                }.joined() + "\n"
            let greets = Bool.random(using: &random)
            let (connection, peer) = try connection(
                greeting: greets ? ScriptedPeer.greeting : Array(text.utf8)
            ) { _ in Array(text.utf8) }
            let deadline = Deadline(milliseconds: 50)
            let monitor = try? MonitorClient(connection, by: deadline)
            _ = try? monitor?.status(by: deadline)
            _ = try? monitor?.migrationState(by: deadline)
            withExtendedLifetime(peer) {}
        }
    }
}
