// The store's small files. Whatever the bytes are, a record is refused or read; what was read is
// written as it was read; and a store with this record in it can be used.
//
// The first byte of an input chooses the file, and whether the rest is the whole file or only its
// `content`, around which a right checksum is put then.
import FoundationEssentials
import FuzzSupport
import StoreFormat
import SnapshotModel

let sample = try? SampleStore.make()

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzRecord(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    let body = [UInt8](input[1...])
    let isContent = input[0] & 0x80 != 0
    switch input[0] & 7 {
    case 0: fuzz(VolumeRecord.self, .volume, StoreLayout.volume, body, isContent)
    case 1:
        let name = StoreLayout.manifest(SnapshotOrdinal(rawValue: 1))
        fuzz(SnapshotManifest.self, .manifest, name, body, isContent)
    case 2:
        let name = StoreLayout.manifest(SnapshotOrdinal(rawValue: 3))
        fuzz(SnapshotManifest.self, .manifest, name, body, isContent)
    case 3:
        let name = StoreLayout.revert(RevertID(rawValue: 1))
        fuzz(RevertRecord.self, .revert, name, body, isContent)
    case 4: fuzz(OriginState.self, .originState, StoreLayout.originState, body, isContent)
    case 5:
        let name = StoreLayout.mergeLimits(RevertID(rawValue: 1))
        fuzz(MergeLimits.self, .mergeLimits, name, body, isContent)
    default: break
    }
    return 0
}

private func fuzz<Content: Codable & Hashable>(
    _ type: Content.Type, _ format: RecordCodec.Format, _ name: String, _ body: [UInt8],
    _ isContent: Bool
) {
    var file = body
    if isContent {
        guard let content = try? JSONDecoder().decode(type, from: Data(body)),
            let encoded = try? RecordCodec.encode(content, as: format)
        else { return }
        file = encoded
    }
    if let content = try? RecordCodec.decode(type, from: file, as: format, path: name) {
        guard let written = try? RecordCodec.encode(content, as: format),
            (try? RecordCodec.decode(type, from: written, as: format, path: name)) == content
        else { fatalError("not written as it was read: \(content)") }
    }
    sample?.replacing(name, by: file).exercise()
}
