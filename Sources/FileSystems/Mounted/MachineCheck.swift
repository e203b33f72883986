internal import Glibc
internal import SnapshotModel
internal import System

/// Tells what is wrong with a mounted filesystem from what is wrong with the machine that reads it: of the first the
/// rest may be well, with the second all would be taken for damaged.
struct MachineCheck {
    /// Whether what the filesystem lies on answers.
    private let answers: () -> Bool

    init(_ answers: @escaping () -> Bool) { self.answers = answers }

    /// What kernels say of a filesystem that is not as it should be, or of something in it that they do not read:
    /// damage (EUCLEAN, EBADMSG; ESTALE, EINVAL and EOVERFLOW of numbers that cannot be), names that lead to nothing,
    /// links that lead to themselves, what needs a key, and more of something than is looked at.
    private static let content: Set<Int32> = [
        EUCLEAN, EBADMSG, ESTALE, EINVAL, EOVERFLOW, EFBIG, ENOENT, ENOTDIR, EISDIR, ELOOP,
        ENAMETOOLONG, EILSEQ, ENXIO, EOPNOTSUPP, ENODATA, E2BIG, ERANGE, ENOKEY,
    ]

    /// `corrupt` of what is the filesystem's own matter, and `io` of everything else, which ends the reading.
    func problem(_ failure: IOFailure) -> Problem {
        guard !isOfContent(failure.code) else { return Problem(.corrupt, failure.description) }
        return Problem(
            .inputOutput, failure.description,
            hint: "it is not the snapshot's filesystem that is at fault: see `dmesg`, and whether "
                + "the volume's server and store are well; then run the command again")
    }

    /// Of a bad block of the filesystem's own some say EIO, too, as of a checksum that is wrong: then the rest is
    /// there.
    private func isOfContent(_ code: Int32) -> Bool {
        code == EIO ? answers() : Self.content.contains(code)
    }
}
