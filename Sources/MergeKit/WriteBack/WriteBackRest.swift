/// How long a write that was answered rests in the log before it is brought into the origin.
package struct WriteBackRest: Hashable, Sendable {
    /// After so many milliseconds without another write.
    package var idleMilliseconds: Int
    /// While others come, after so many, if the log has room for them.
    package var longestMilliseconds: Int

    package init(idleMilliseconds: Int, longestMilliseconds: Int) {
        self.idleMilliseconds = idleMilliseconds
        self.longestMilliseconds = longestMilliseconds
    }

    /// As the kernel's writing out of files, which looks every five seconds.
    package static let standard = WriteBackRest(
        idleMilliseconds: 100, longestMilliseconds: 5000)
}
