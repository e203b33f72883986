import Foundation
import SnapshotModel
import System
import TestKit

@testable import FileSystems

/// A filesystem in a file, made without root from a folder that a script fills.
struct Ext4Image {
    private let folder = TemporaryFolder()

    var path: String { folder.path + "/image" }
    /// What it was made of.
    var sourcePath: String { folder.path + "/source" }

    /// - Parameters:
    ///   - script: makes files in the folder that it runs in.
    ///   - options: of mke2fs.
    ///   - commands: of debugfs, for what no ordinary user can make.
    init(
        _ script: String, options: String = "-t ext4", megabytes: Int = 16,
        commands: [String] = []
    ) throws {
        try Self.run(
            """
            set -euo pipefail
            mkdir '\(sourcePath)'
            cd '\(sourcePath)'
            \(script)
            truncate -s \(megabytes)M '\(path)'
            mke2fs -q -F \(options) -d '\(sourcePath)' '\(path)'
            """)
        for command in commands { try Self.run("debugfs -w -R '\(command)' '\(path)'") }
    }

    static func run(_ script: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/bash")
        process.arguments = ["-c", script]
        process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Problem(.failed, "the script ended with \(process.terminationStatus): \(script)")
        }
    }

    func open() throws -> Ext4FileSystem {
        try Ext4FileSystem.open(WindowedBytes(ImageBytes(path)))
    }

    /// Has the filesystem be as after a power cut: what debugfs's commands change lies in the journal alone.
    ///
    /// - Parameter blockBytes: of the filesystem.
    func changeInJournal(_ steps: [[String]], blockBytes: Int) throws {
        var script = "set -euo pipefail; cd '\(folder.path)'; cp image next\n"
        for (number, commands) in steps.enumerated() {
            let lines = commands.map { "'\($0)'" }.joined(separator: " ")
            script += """
                cp next before
                printf '%s\\n' \(lines) >commands; debugfs -w -f commands next >/dev/null 2>&1
                cmp -l before next | awk '{ b = int(($1 - 1) / \(blockBytes)); if (b != last) print b; last = b }' |
                    grep -vx '\(1024 / blockBytes)' >blocks\(number) || true
                : >content; echo jo >journal
                while read -r b; do dd if=next of=content bs=\(blockBytes) skip=$b count=1 oflag=append conv=notrunc status=none; done <blocks\(number)
                echo "jw -b $(paste -sd, blocks\(number)) content" >>journal; echo jc >>journal
                debugfs -w -f journal image >/dev/null 2>&1

                """
        }
        try Self.run(script)
    }

    /// Changes a byte of the image.
    func set(_ byte: UInt8, at offset: Int) throws {
        let device = try FileDevice(path: path, access: .readWrite)
        try device.write([byte].span.bytes, at: offset)
    }
}

/// A file's bytes.
final class ImageBytes: VolumeBytes {
    private let device: FileDevice
    let byteCount: Int

    init(_ path: String) throws {
        device = try FileDevice(path: path, access: .readOnly)
        byteCount = try device.byteCount()
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        do throws(IOFailure) { try device.read(into: &buffer, at: offset) } catch {
            throw Problem(error)
        }
    }
}
