"""Sources on other hosts: the serve protocol over a lasting SSH connection."""
