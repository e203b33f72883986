internal import CWebFiles

/// Files that are a part of the program.
enum EmbeddedFiles {
    /// docs/openapi.json
    static var openAPI: [UInt8] { bytes(snapmgr_web_openapi()) }

    private static func bytes(_ file: snapmgr_web_file) -> [UInt8] {
        Array(UnsafeBufferPointer(start: file.bytes, count: file.count))
    }
}
