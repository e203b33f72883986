internal import Glibc

/// Hands listening sockets to the program that this process becomes, as sd_listen_fds(3) describes:
/// they are its descriptors from 3 on.
package final class PassedSockets {
    private let numbers: Range<Int32>
    private var passed: Range<Int32>

    /// The most that can be handed over.
    package static let countMaximum = 16

    /// Sees to it that nothing in this process gets these numbers by chance. To be made before
    /// anything is opened: what has one of them by then came from whoever started the process.
    ///
    /// - Parameter first: the first number; tests take another one.
    package init(first: Int32 = 3) throws(IOFailure) {
        numbers = first..<(first + Int32(Self.countMaximum))
        passed = first..<first
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard null >= 0 else { throw .last("open", path: "/dev/null") }
        var number = null
        while numbers.contains(number) || number == null {
            number = fcntl(null, F_DUPFD_CLOEXEC, first)
            guard number >= 0 else { throw .last("open", path: "/dev/null") }
        }
        close(number)
        if !numbers.contains(null) { close(null) }
    }

    /// Moves the sockets to the numbers that were kept.
    package func pass(_ descriptors: [Int32]) throws(IOFailure) {
        precondition(descriptors.count <= numbers.count, "more sockets than numbers")
        for (descriptor, number) in zip(descriptors, numbers) {
            // The copy has no flags: it outlives the change of program.
            guard dup2(descriptor, number) >= 0 else { throw .last("pass on", path: "a socket") }
            passed = passed.lowerBound..<(number + 1)
            close(descriptor)
        }
    }

    /// Closes what was passed: the other program could not be started.
    package func takeBack() {
        for number in passed { close(number) }
        passed = passed.lowerBound..<passed.lowerBound
    }

    /// The sockets that this process was handed itself: descriptors from 3 on.
    ///
    /// - Returns: nil when the variables are not meant for it.
    package static func received(environment: [String: String]) -> Range<Int32>? {
        guard environment["LISTEN_PID"] == String(getpid()),
            let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }), count > 0,
            count < Int32.max - 3
        else { return nil }
        return 3..<(3 + count)
    }
}
