import Foundation
import Glibc

/// Certificates of localhost that sign themselves, for a hundred years, each with its key.
enum TestCertificate: String, CaseIterable {
    case first, second

    /// Puts both files into a folder.
    func write(to folder: String, key: TestCertificate? = nil) throws {
        try put(certificate, folder + "/server-cert.pem")
        try put((key ?? self).key, folder + "/server-key.pem")
    }

    private func put(_ text: String, _ path: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
        chmod(path, 0o600)
    }

    private var certificate: String {
        self == .first ? Self.firstCertificate : Self.secondCertificate
    }
    private var key: String { self == .first ? Self.firstKey : Self.secondKey }

    private static let firstCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIBmjCCAUGgAwIBAgIUBvmpbqFqJFWOorWKlYLHx84wVOgwCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDIwMzE1NloYDzIxMjYxMTA2
        MjAzMTU2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAAThNH0/2R+D8jTk51WhLMlQKuEz1sZOTcdEB3qILKcOaiB7uoa2EBCF
        1NRHdpoFWG/jhnAzSSkvT/5diy9xvhnwo28wbTAdBgNVHQ4EFgQU3z+Ag9NTEepx
        rKUiI4gc+UiIl1cwHwYDVR0jBBgwFoAU3z+Ag9NTEepxrKUiI4gc+UiIl1cwDwYD
        VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
        zj0EAwIDRwAwRAIgWcgp1x19y9eau6I6kQabYmWCXH8HvgbewBxOdLaSD2kCIBAR
        1MCGzu87mbhoXr4DcwpLH6TBXT4i+GXYJ0Tvj79+
        -----END CERTIFICATE-----

        """
    private static let firstKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvmVYA5w5sZ0XFcjJ
        8uKiomlBrj3aiHxv/CkUAKsK81ihRANCAAThNH0/2R+D8jTk51WhLMlQKuEz1sZO
        TcdEB3qILKcOaiB7uoa2EBCF1NRHdpoFWG/jhnAzSSkvT/5diy9xvhnw
        -----END PRIVATE KEY-----

        """
    private static let secondCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIBmzCCAUGgAwIBAgIUWXT+1RFCAWqbXPHGP7CWVihos6UwCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDIwMzE1NloYDzIxMjYxMTA2
        MjAzMTU2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAASZ96SQu1obYO869ZlENrSogABNj4U3tmsqRR+o1RndMcaj1yFjMFtG
        8c2aEtM2LbiQfCobJVLsWkYuZTP3x1kQo28wbTAdBgNVHQ4EFgQUAFc5xqQygp+G
        VEktljtREgiGadMwHwYDVR0jBBgwFoAUAFc5xqQygp+GVEktljtREgiGadMwDwYD
        VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
        zj0EAwIDSAAwRQIgLvKIdVBCsUByP8QnlXPoKzvnyKeVDJbgBZ0tVB0gc0kCIQD9
        eiMShN5WUNlEeGcAU0RD9RgL00a7jDdy1KN8K9ouZw==
        -----END CERTIFICATE-----

        """
    private static let secondKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJFvvjyBfPPXHz6fN
        gxTj4TJKuJGLOJ4LN05Qc/acKk6hRANCAASZ96SQu1obYO869ZlENrSogABNj4U3
        tmsqRR+o1RndMcaj1yFjMFtG8c2aEtM2LbiQfCobJVLsWkYuZTP3x1kQ
        -----END PRIVATE KEY-----

        """
}
