internal import Glibc
internal import SnapshotModel
internal import StoreFormat
internal import System
internal import VolumeAccess

// How long files may be where the store is.
extension StoreSite {
    /// Refuses a filesystem whose files cannot be as long as an area must be at once: not one snapshot could
    /// be taken.
    ///
    /// - Returns: what to tell people where an area can hold less than all of the volume; nil where it can
    ///   hold everything.
    func requireLargeFiles(_ record: VolumeRecord, _ traits: DriverTraits) throws -> String? {
        let format = AreaFormat(chunkBytes: record.geometry.chunkBytes)
        let chunkCount = record.geometry.chunkCount
        let full = format.fullCoverageBytes(chunkCount: chunkCount)
        let least = traits.areasGrow ? format.beginningBytes(chunkCount: chunkCount) : full
        let allowed = try withProbe(byteCount: least) { probe in
            try longest(probe, between: least, and: full, stepBytes: format.chunkBytes)
        }
        guard let allowed else { throw tooShort(least) }
        return allowed < full ? note(format, record, allowed, full) : nil
    }

    /// Calls with a new file of so many bytes, which goes then; nil where none may be so long.
    private func withProbe<Result>(
        byteCount: Int, _ body: (any BlockDevice) throws -> Result
    ) throws -> Result? {
        let folder = FileFolder(path: path)
        let name = Self.probe
        do {
            if try folder.exists(name) { try folder.removeFile(name) }
            let result = try body(try folder.createFile(name, byteCount: byteCount))
            try folder.removeFile(name)
            return result
        } catch {
            try? folder.removeFile(name)
            guard (error as? IOFailure)?.isTooLarge == true else { throw error }
            return nil
        }
    }

    /// The longest that a file may be, to the step, of what is between a length that it has and one that is
    /// enough.
    private func longest(
        _ file: any BlockDevice, between least: Int, and enough: Int, stepBytes: Int
    ) throws(IOFailure) -> Int {
        if try mayBe(enough, file) { return enough }
        var (steps, tooMany) = (least / stepBytes, enough / stepBytes)
        while tooMany - steps > 1 {
            let middle = steps + (tooMany - steps) / 2
            if try mayBe(middle * stepBytes, file) { steps = middle } else { tooMany = middle }
        }
        return steps * stepBytes
    }

    private func mayBe(_ byteCount: Int, _ file: any BlockDevice) throws(IOFailure) -> Bool {
        do throws(IOFailure) {
            try file.resize(to: byteCount)
            return true
        } catch {
            guard error.isTooLarge else { throw error }
            return false
        }
    }

    private func tooShort(_ byteCount: Int) -> Problem {
        Problem(
            .refused,
            "the filesystem of the store \(path) takes no files of \(ByteCount(byteCount)), as large as "
                + "an area of this volume may become",
            hint: "put the store on XFS, with --store DIR")
    }

    private func note(
        _ format: AreaFormat, _ record: VolumeRecord, _ longest: Int, _ full: Int
    ) -> String {
        let preserved = format.exceptionsMaximum(fileBytes: longest) * format.chunkBytes
        let then =
            record.storeFullPolicy == .breakWrites
            ? "writes that overwrite more are refused until the next snapshot"
            : "the snapshots are given up when more is overwritten before the next one"
        return
            "the filesystem of the store \(path) takes no files of more than \(ByteCount(longest)), and "
            + "an area of volume \(record.name) may need \(ByteCount(full)): it preserves at most "
            + "\(ByteCount(preserved)) of one snapshot's changes, and \(then); on XFS there is no such limit"
    }
}
