"""The numbered log of what became true, as a file that others read, each from where it has come to."""
