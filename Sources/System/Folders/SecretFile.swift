internal import Glibc
package import SnapshotModel

/// A file with something that not everybody may know.
package enum SecretFile {
    /// Reads it whole.
    ///
    /// - Parameters:
    ///   - object: what lies there, as in "the key".
    ///   - path: an absolute path.
    /// - Throws: `missing` when there is none; `refused` when others can change it, or may read it; why it cannot be read.
    package static func read(
        _ object: String, at path: String, limitBytes: Int
    ) throws(Problem) -> [UInt8] {
        try OwnerTrust.require(object, at: path)
        let (bytes, isOpen): ([UInt8], Bool)
        do throws(IOFailure) {
            isOpen = try FileStatus(path: path).isReadableByAll
            bytes = try FileFolder.readFile(path: path, limitBytes: limitBytes)
        } catch {
            throw Problem(
                error.isNotFound ? .missing : .failed,
                error.isNotFound ? "there is no \(path)" : error.description)
        }
        guard !isOpen else {
            throw Problem(
                .refused, "everybody may read \(object) \(path)", hint: "run `chmod 600 \(path)`")
        }
        return bytes
    }
}
