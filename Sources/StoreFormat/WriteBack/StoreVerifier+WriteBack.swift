internal import SnapshotModel
internal import System

extension StoreVerifier {
    /// The log of first writes, as it lies beside a server or after one that died, and those set aside.
    mutating func checkWriteBack(_ record: VolumeRecord) throws(Problem) {
        for path in try store.writeBackLogsAside() {
            report(
                .warning, "write-back log",
                "\(path) holds writes that were answered and are not in the origin: somebody else had "
                    + "written to that, or the log was damaged",
                remedy: "remove it when nobody misses these writes")
        }
        guard let device = try store.openWriteBackLog(writable: false) else { return }
        do throws(WriteBackReader.Fault) {
            let reader = try WriteBackReader(device)
            var count = 0
            do throws(IOFailure) {
                for generation in reader.header.pending {
                    count += try reader.records(
                        generation, volumeBytes: record.geometry.volumeBytes
                    ).count
                }
            } catch { throw .failure(error) }
            guard count > 0 else { return }
            report(
                .note, "write-back log",
                "\(count) writes that were answered are in \(device.path) and not in the origin yet",
                remedy: "who serves or opens the volume brings them there")
        } catch {
            switch error {
            case .flaw(.blank): break
            case .flaw(.newer(let version)):
                report(.damage, "write-back log", "\(device.path) has the newer version \(version)")
            case .flaw(.damaged(let cause)):
                report(.damage, "write-back log", "\(device.path) is damaged: \(cause)")
            case .failure(let failure): throw Problem(failure)
            }
        }
    }
}
