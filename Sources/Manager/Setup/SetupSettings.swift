internal import Glibc
internal import Settings
internal import Setup
internal import SnapshotModel
internal import System

/// The file that says when snapshots of one volume are taken, and which are kept.
struct SetupSettings {
    let context: ManagerContext
    let request: SetupRequest
    let volume: String

    /// What is to be written, or what is there; nothing is changed.
    ///
    /// - Throws: what is wrong with the settings that there are, or would be with the new file; `exists` when
    ///   its name is another one's.
    func plan() throws -> SetupReport.File {
        let settings = try context.settings.get()
        if let place = place(in: settings) {
            return SetupReport.File(path: place, text: nil, action: .kept)
        }
        let path = "\(request.location.folder)/\(volume).toml"
        guard try !Paths.exists(path) else {
            throw Problem(
                .exists, "there is a file \(path), which says nothing of volume \(volume)",
                hint: "move it away, or add [volumes.\(volume)] to it")
        }
        let text = VolumeSettingsText(volume: volume, every: request.every, keep: request.keep).text
        try requireRight(PlannedFile(path: path, text: text))
        return SetupReport.File(path: path, text: text, action: .planned)
    }

    /// Looks whether this user may write the file, before anything is made.
    func requireWritable() throws {
        var folder = try Paths.absolute(request.location.folder)
        while try !Paths.exists(folder), let parent = PathHalves(folder).parent, !parent.isEmpty {
            folder = parent
        }
        guard access(folder, W_OK) != 0 else { return }
        let failure = IOFailure("write to", path: folder, code: errno)
        throw Problem(
            .failed, "the settings of volume \(volume) cannot be written: \(failure)",
            hint:
                "run it as root, or name settings of yours, which may be an empty file, with --config "
                + "FILE")
    }

    /// The file that has a table for the volume, or a set with it.
    private func place(in settings: Settings) -> String? {
        let tables =
            settings.volumes[volume] == nil ? [] : ["volumes.\(volume)", "volumes.\"\(volume)\""]
        let sets = settings.sets(of: volume).flatMap { ["sets.\($0.name)", "sets.\"\($0.name)\""] }
        guard let first = (tables + sets).first else { return nil }
        let value = settings.effectiveValues.first { value in
            guard (tables + sets).contains(value.table) else { return false }
            if case .file = value.source { return true }
            return false
        }
        guard case .file(let position)? = value?.source else {
            return settings.files.first ?? first
        }
        return position.file
    }

    /// The new file must go with all others.
    private func requireRight(_ file: PlannedFile) throws {
        do throws(SettingsFailure) {
            let files = FilesWithOneMore(file: file)
            _ = try SettingsLoader(files: files, environment: request.environment)
                .load(request.location)
        } catch {
            throw error.problem(context.wording)
        }
    }
}

/// The machine's files with one that is not written yet.
private struct FilesWithOneMore: SettingsFiles {
    let file: PlannedFile
    private let files = SystemFiles()

    init(file: PlannedFile) { self.file = file }

    func read(_ path: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        path == file.path ? Array(file.text.utf8) : try files.read(path, limitBytes: limitBytes)
    }

    func list(_ path: String) throws(IOFailure) -> [String] {
        let place = PathHalves(file.path)
        guard path == place.folder else { return try files.list(path) }
        guard try FileFolder.exists(path: path) else { return [place.name] }
        return try files.list(path) + [place.name]
    }

    func linkTarget(_ path: String) -> String? { files.linkTarget(path) }
}
