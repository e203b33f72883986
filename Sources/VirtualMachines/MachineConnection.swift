internal import Glibc
package import SnapshotModel
package import System

/// A connection to something that speaks in lines of JSON and may say nothing, too much, or anything else. Every
/// call is over by its deadline, and no answer takes more memory than ``lineBytesMaximum``.
package final class MachineConnection {
    private let socket: LocalSocket
    /// What is at the other end, as messages name it: `the monitor of VM web (/run/web.qmp)`.
    let subject: String
    private var lines = LineBuffer(limitBytes: lineBytesMaximum)

    /// Longer lines are refused, in bytes; QEMU's own are far below.
    static let lineBytesMaximum = 1 << 20
    private static let pieceBytes = 16 << 10

    package init(_ socket: LocalSocket, subject: String) {
        self.socket = socket
        self.subject = subject
    }

    /// Connects to a socket by its path.
    ///
    /// - Throws: `missing` when nobody listens there; `input_output` when nobody takes the connection in time.
    package static func connect(
        _ path: String, subject: String, deadline: Deadline
    ) throws(Problem) -> MachineConnection {
        let halves = PathHalves(path)
        do throws(IOFailure) {
            let socket = try LocalSocket.connect(
                folder: halves.folder, name: halves.name,
                milliseconds: max(1, deadline.remainingMilliseconds))
            return MachineConnection(socket, subject: "\(subject) (\(path))")
        } catch {
            let isNobody = [ENOENT, ENOTDIR, ECONNREFUSED].contains(error.code)
            throw Problem(
                isNobody ? .missing : .inputOutput,
                "\(subject) cannot be reached: \(error.description)",
                hint: "check that it runs, and that nobody else is connected to that socket")
        }
    }

    /// The process at the other end, as far as the kernel tells: the one that began to listen.
    var peerProcess: Int32? { socket.peerProcess }

    /// Sends bytes, and a descriptor with them when there is one.
    func send(
        _ bytes: [UInt8], passing descriptor: Int32? = nil, by deadline: Deadline
    )
        throws(Problem)
    {
        socket.limitSend(milliseconds: max(1, deadline.remainingMilliseconds))
        do throws(IOFailure) {
            if let descriptor {
                try socket.send(bytes.span.bytes, passing: descriptor)
            } else {
                try socket.send(bytes.span.bytes)
            }
        } catch { throw failure(error) }
    }

    /// The next line without its end.
    func line(by deadline: Deadline) throws(Problem) -> [UInt8] {
        while true {
            if let line = lines.next() { return line }
            guard !lines.isTooLong else { throw talksTooMuch }
            lines.append(try piece(by: deadline)[...])
        }
    }

    /// Drops everything up to the next byte 0xFF, and that.
    func skipToMark(by deadline: Deadline) throws(Problem) {
        var left = Self.lineBytesMaximum
        // What was read and not used yet comes first.
        var bytes = lines.takeAll()
        while true {
            if let mark = bytes.firstIndex(of: 0xFF) {
                return lines.append(bytes[(mark + 1)...])
            }
            guard bytes.count <= left else { throw talksTooMuch }
            left -= bytes.count
            bytes = try piece(by: deadline)
        }
    }

    private func piece(by deadline: Deadline) throws(Problem) -> [UInt8] {
        guard !deadline.hasPassed else { throw silence }
        socket.limitReceive(milliseconds: max(1, deadline.remainingMilliseconds))
        var bytes = [UInt8](repeating: 0, count: Self.pieceBytes)
        let count: Int
        var elements = bytes.mutableSpan
        var space = elements.mutableBytes
        do throws(IOFailure) { count = try socket.receive(into: &space) } catch {
            throw error.code == EAGAIN ? silence : failure(error)
        }
        guard count > 0 else {
            throw Problem(
                .missing, "\(subject) has ended the connection", hint: "check that the VM runs")
        }
        return Array(bytes[..<count])
    }

    /// Waits until the other end has closed the connection; whatever it says before is dropped.
    ///
    /// - Returns: whether it has.
    func waitForEnd(by deadline: Deadline) -> Bool {
        while !deadline.hasPassed {
            do { _ = try piece(by: deadline) } catch {
                if error.code == .missing { return true }
                return error != silence
            }
        }
        return false
    }

    private var silence: Problem {
        Problem(
            .failed, "\(subject) does not answer in time",
            hint: "see whether it is stuck, and whether somebody else is connected to that socket")
    }

    private var talksTooMuch: Problem {
        Problem(
            .failed, "\(subject) says more than any answer has", hint: "check what listens there")
    }

    func nonsense(_ what: String) -> Problem {
        Problem(.failed, "\(subject) \(what)", hint: "check what listens there")
    }

    private func failure(_ failure: IOFailure) -> Problem {
        if failure.code == EAGAIN { return silence }
        let isGone = [EPIPE, ECONNRESET].contains(failure.code)
        return Problem(
            isGone ? .missing : .inputOutput, "\(subject): \(failure.description)",
            hint: "check that the VM runs")
    }
}
