internal import Glibc

extension FileFolder {
    /// Renames a file unless the new name is taken; EEXIST when it is.
    package func renameUnlessTaken(_ name: String, to newName: String) throws(IOFailure) {
        let (old, new) = (path + "/" + name, path + "/" + newName)
        // A second name and then no first one: a rename would replace what is there.
        if link(old, new) == 0 { return try removeFile(name) }
        // Some filesystems give no second names.
        guard errno == EPERM || errno == EOPNOTSUPP else {
            throw IOFailure("make", path: new, code: errno)
        }
        guard !exists(newName) else { throw IOFailure("make", path: new, code: EEXIST) }
        try rename(name, to: newName)
    }
}
