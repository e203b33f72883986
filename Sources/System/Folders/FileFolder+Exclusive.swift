internal import Glibc

extension FileFolder {
    /// Renames a file unless the new name is taken; EEXIST when it is.
    package func renameUnlessTaken(_ name: String, to newName: String) throws(IOFailure) {
        do throws(IOFailure) {
            // A second name and then no first one: a rename would replace what is there.
            try link(name, to: newName)
            return try removeFile(name)
        } catch {
            // Some filesystems give no second names.
            guard error.code == EPERM || error.code == EOPNOTSUPP else { throw error }
        }
        guard try !exists(newName) else {
            throw IOFailure("make", path: path + "/" + newName, code: EEXIST)
        }
        try rename(name, to: newName)
    }
}
