"""How the terms of Eq. 1 are weighed while a model trains; one file a method, registered by existing."""
